/* What nvidia-smi -L and --query-gpu=uuid do, as far as the container path goes: open the control device, load NVML,
   print UUIDs. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "wait"))
        for (;;) pause();
    int fd = open("/dev/nvidiactl", O_RDONLY);
    if (fd < 0 && errno == EPERM) { puts("Failed to initialize NVML: Unknown Error"); return 255; }
    if (fd < 0 && errno == ENOENT) { puts("no /dev/nvidiactl"); return 9; }
    setenv("FIRSTLIGHT_NVML_PROFILE", "/etc/nvml.conf", 0); /* docker exec does not know the runtime's additions */
    void *nvml = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (!nvml) { puts("Failed to initialize NVML: library not found"); return 12; }
    int (*init)(void) = (int (*)(void))dlsym(nvml, "nvmlInit_v2");
    int (*count)(unsigned *) = (int (*)(unsigned *))dlsym(nvml, "nvmlDeviceGetCount_v2");
    int (*handle)(unsigned, void **) = (int (*)(unsigned, void **))dlsym(nvml, "nvmlDeviceGetHandleByIndex_v2");
    int (*uuid)(void *, char *, unsigned) = (int (*)(void *, char *, unsigned))dlsym(nvml, "nvmlDeviceGetUUID");
    unsigned n = 0;
    if (init() || count(&n)) { puts("Failed to initialize NVML"); return 9; }
    for (unsigned i = 0; i < n; i++) {
        void *gpu;
        char text[96];
        if (handle(i, &gpu) || uuid(gpu, text, sizeof text)) continue;
        if (argc > 1 && !strncmp(argv[1], "--query-gpu=uuid", 16)) puts(text);
        else printf("GPU %u: UUID: %s\n", i, text);
    }
    return 0;
}
