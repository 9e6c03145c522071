#!/bin/sh
# Smoke job `nvcc`: compiles a kernel for the GPUs that are here, runs it on each, compares every element.
# Needs nvcc and a C++ compiler only. Prints one JSON object; the compiler's words go to stderr.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/add.cu" <<'CUDA'
#include <cstdio>
#include <vector>

__global__ void add(const int *a, const int *b, int *sum, int count) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) sum[i] = a[i] + b[i];
}

static int failed(const char *what, cudaError_t error) {
    std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
    return 4;
}

int main() {
    int devices = 0, wrong = 0, driver = 0, runtime = 0;
    const int count = 1 << 20;
    std::vector<int> a(count), b(count), sum(count);
    for (int i = 0; i < count; i++) { a[i] = i; b[i] = 7 * i + 3; }
    cudaError_t error = cudaGetDeviceCount(&devices);
    if (error != cudaSuccess) return failed("cudaGetDeviceCount", error);
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    for (int device = 0; device < devices; device++) {
        int *x, *y, *z;
        cudaSetDevice(device);
        if ((error = cudaMalloc(&x, count * sizeof(int))) != cudaSuccess) return failed("cudaMalloc", error);
        cudaMalloc(&y, count * sizeof(int));
        cudaMalloc(&z, count * sizeof(int));
        cudaMemcpy(x, a.data(), count * sizeof(int), cudaMemcpyHostToDevice);
        cudaMemcpy(y, b.data(), count * sizeof(int), cudaMemcpyHostToDevice);
        add<<<(count + 255) / 256, 256>>>(x, y, z, count);
        if ((error = cudaGetLastError()) != cudaSuccess) return failed("launch", error);
        if ((error = cudaMemcpy(sum.data(), z, count * sizeof(int), cudaMemcpyDeviceToHost)) != cudaSuccess)
            return failed("kernel", error);
        for (int i = 0; i < count; i++) wrong += sum[i] != 8 * i + 3;
        cudaFree(x); cudaFree(y); cudaFree(z);
    }
    std::printf("{\"job\": \"nvcc\", \"device\": {\"name\": \"%d GPUs\", \"cuda\": \"%d.%d\"}, \"checks\": ["
                "{\"id\": \"devices\", \"ok\": %s, \"seen\": %d, \"limit\": \"at least one\"}, "
                "{\"id\": \"kernel\", \"ok\": %s, \"seen\": %d, \"limit\": \"0 wrong elements\"}], \"figures\": {}}\n",
                devices, runtime / 1000, runtime % 1000 / 10, devices ? "true" : "false", devices,
                wrong ? "false" : "true", wrong);
    return devices && !wrong ? 0 : 1;
}
CUDA
nvcc -arch=native -o "$folder/add" "$folder/add.cu" >&2
"$folder/add"
