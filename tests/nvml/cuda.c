/* A stand-in for libcuda.so.1, just enough to be kept busy: while kernels are launched, the stand-in NVML answers the
 * profile's `gpu.load.KEY` where there is one. `cuda.SYMBOL = CODE` in the profile makes a function fail with that code
 * (-1: it never returns). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char card[32];

static int enter(const char *fn) {
    char line[600], key[128];
    int code = 0;
    FILE *f = fopen(getenv("FIRSTLIGHT_NVML_PROFILE"), "r");
    snprintf(key, sizeof key, "cuda.%s =", fn);
    while (f && fgets(line, sizeof line, f)) if (!strncmp(line, key, strlen(key))) code = atoi(line + strlen(key));
    if (f) fclose(f);
    while (code < 0) sleep(3600);
    return code;
}

int cuInit(unsigned flags) { (void)flags; return enter("cuInit"); }
int cuDeviceGetByPCIBusId(int *o, const char *address) {
    *o = 0;
    snprintf(card, sizeof card, "%.*s", (int)strcspn(address, "."), address);
    return enter("cuDeviceGetByPCIBusId");
}
int cuDeviceGetAttribute(int *o, int which, int device) { (void)which; (void)device; *o = 4; return enter("cuDeviceGetAttribute"); }
int cuDevicePrimaryCtxRetain(void **o, int device) { (void)device; *o = card; return enter("cuDevicePrimaryCtxRetain"); }
int cuCtxSetCurrent(void *context) { return context == card ? enter("cuCtxSetCurrent") : 201; }
int cuModuleLoadData(void **o, const char *ptx) { *o = card; return strstr(ptx, ".entry burn(") ? enter("cuModuleLoadData") : 218; }
int cuModuleGetFunction(void **o, void *module, const char *name) {
    *o = module;
    return module == card && !strcmp(name, "burn") ? enter("cuModuleGetFunction") : 500;
}
int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
                   void *stream, void **parameters, void **extra) {
    char path[512];
    if (f != card || !gx || gy * gz * by * bz != 1 || bx > 1024 || shared || stream || extra) return 1;
    if (*(unsigned long long *)parameters[0] || !*(unsigned *)parameters[1] || *(float *)parameters[2] >= 0) return 1;
    snprintf(path, sizeof path, "%s.load.%s", getenv("FIRSTLIGHT_NVML_PROFILE"), card);
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    futimens(file, 0);
    close(file);
    return enter("cuLaunchKernel");
}
int cuCtxSynchronize(void) { usleep(30000); return enter("cuCtxSynchronize"); }
