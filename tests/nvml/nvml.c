/* A stand-in for libnvidia-ml.so.1: it answers what a profile file says, so that the real nvidia-ml-py and real
 * third-party tools run without a card. Written from the structures that nvidia-ml-py declares.
 *
 * Profile (FIRSTLIGHT_NVML_PROFILE): lines `key = value`. `gpus = N`; `gpu.KEY` for every card, `gpu3.KEY` for one;
 * other keys are the system's. A key that is absent answers NOT_SUPPORTED. A value `!15` answers that NVML error code.
 * `fn.SYMBOL = 15` makes one function fail; `hang.SYMBOL = MS` makes it wait (-1: for ever; `deaf`: for ever, without
 * an ear for any signal that can be ignored; `stop`: stopped by SIGSTOP; `/PATH`: writing to that file, for ever and in
 * an uninterruptible sleep when its filesystem is frozen); `crash.SYMBOL = 1` makes it abort the process; `absent.SYMBOL = 1` answers
 * FUNCTION_NOT_FOUND, as a driver too old to have it. `a|b|c` steps forward at each read and stays at the last.
 * `gpu.load.KEY` answers while the stand-in CUDA library keeps that card busy.
 * `kernel.N = LINE` is a line of the kernel log, as `dmesg --raw` prints it; a Xid in it is an event of NVML too.
 * `init = CODE` fails initialisation. The file is read again when it changes, while the process runs.
 * FIRSTLIGHT_NVML_TRACE names a file that gets the name of every function called. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef unsigned int u32;
typedef unsigned long long u64;
typedef int rc_t;
enum { OK = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
       DRIVER_NOT_LOADED = 9, TIMEOUT = 10, FUNCTION_NOT_FOUND = 13, VERSION_MISMATCH = 25, UNKNOWN = 999 };

#define MAX_KEYS 2048
#define MAX_GPUS 64
static struct { char key[96], value[416]; int step; } table[MAX_KEYS];
static int keys, initialised;
static struct timespec stamp;
static off_t stamp_size = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct handle { int index, mig; } handles[MAX_GPUS][9];
typedef struct handle *dev_t_;

static char *trim(char *s) {
    while (*s == ' ' || *s == '\t') s++;
    char *e = s + strlen(s);
    while (e > s && strchr(" \t\r\n", e[-1])) *--e = 0;
    return s;
}

static void load(void) {
    const char *path = getenv("FIRSTLIGHT_NVML_PROFILE");
    struct stat st;
    if (!path || stat(path, &st)) { keys = 0; return; }
    if (st.st_size == stamp_size && !memcmp(&st.st_mtim, &stamp, sizeof stamp)) return;
    FILE *f = fopen(path, "r");
    if (!f) return;
    char line[600];
    keys = 0;
    while (fgets(line, sizeof line, f) && keys < MAX_KEYS) {
        char *s = trim(line), *eq = strchr(s, '=');
        if (*s == '#' || !eq) continue;
        *eq = 0;
        snprintf(table[keys].key, sizeof table[0].key, "%s", trim(s));
        snprintf(table[keys].value, sizeof table[0].value, "%s", trim(eq + 1));
        table[keys++].step = 0;
    }
    fclose(f);
    stamp = st.st_mtim;
    stamp_size = st.st_size;
}

/* Later lines win, so that a fault appended to a profile overrides it. */
static int find(const char *key, char *out, size_t size) {
    for (int i = keys - 1; i >= 0; i--) {
        if (strcmp(table[i].key, key)) continue;
        char copy[416], *save = 0, *part, *last = copy;
        strcpy(copy, table[i].value);
        int n = 0, want = table[i].step;
        if (!strchr(copy, '|')) { snprintf(out, size, "%s", copy); return 1; }
        for (part = strtok_r(copy, "|", &save); part; part = strtok_r(0, "|", &save)) {
            last = part;
            if (n++ == want) { table[i].step++; break; }
        }
        snprintf(out, size, "%s", trim(last));
        return 1;
    }
    return 0;
}

static void trace(const char *fn) {
    const char *path = getenv("FIRSTLIGHT_NVML_TRACE");
    FILE *f = path ? fopen(path, "a") : 0;
    if (f) { fprintf(f, "%s\n", fn); fclose(f); }
}

static void hang(const char *how) {
    if (*how == '/') {
        int file = open(how, O_WRONLY);
        if (write(file, how, 1) < 0) abort();
        return;
    }
    if (!strcmp(how, "deaf")) for (int i = 1; i < 32; i++) signal(i, SIG_IGN);
    if (!strcmp(how, "stop")) raise(SIGSTOP);
    long wait = strchr("ds", *how) ? -1 : atol(how);
    while (wait < 0) sleep(3600);
    if (wait) usleep((useconds_t)wait * 1000);
}

/* Called first by every function: faults, hangs, traces. */
static rc_t enter(const char *fn) {
    char key[128], value[416], how[416] = "0";
    rc_t rc = OK;
    pthread_mutex_lock(&lock);
    load();
    trace(fn);
    snprintf(key, sizeof key, "hang.%s", fn);
    find(key, how, sizeof how);
    snprintf(key, sizeof key, "crash.%s", fn);
    if (find(key, value, sizeof value)) abort();
    snprintf(key, sizeof key, "absent.%s", fn);
    if (find(key, value, sizeof value) && atoi(value)) rc = FUNCTION_NOT_FOUND;
    snprintf(key, sizeof key, "fn.%s", fn);
    if (!rc && find(key, value, sizeof value)) rc = atoi(value);
    pthread_mutex_unlock(&lock);
    hang(how);
    if (!rc && !initialised && strncmp(fn, "nvmlInit", 8) && strcmp(fn, "nvmlErrorString")) rc = UNINITIALIZED;
    return rc;
}

static rc_t system_text(const char *key, char *out, size_t size) {
    pthread_mutex_lock(&lock);
    int found = find(key, out, size);
    pthread_mutex_unlock(&lock);
    if (!found) return NOT_SUPPORTED;
    return *out == '!' ? atoi(out + 1) : OK;
}

/* The stand-in CUDA library touches PROFILE.load.ADDRESS while it is kept busy. */
static int loaded(dev_t_ d) {
    char path[512], key[32], pci[416];
    struct stat st;
    struct timespec now;
    snprintf(key, sizeof key, "gpu%d.pci", d->index);
    if (!find(key, pci, sizeof pci)) return 0;
    snprintf(path, sizeof path, "%s.load.%.31s", getenv("FIRSTLIGHT_NVML_PROFILE"), pci);
    clock_gettime(CLOCK_REALTIME, &now);
    return !stat(path, &st) && now.tv_sec - st.st_mtim.tv_sec <= 1;
}

static rc_t text(dev_t_ d, const char *name, char *out, size_t size) {
    char key[128];
    if (!d) return INVALID;
    pthread_mutex_lock(&lock);
    int found = 0;
    if (!d->mig && loaded(d)) {
        snprintf(key, sizeof key, "gpu%d.load.%s", d->index, name);
        if (!(found = find(key, out, size))) { snprintf(key, sizeof key, "gpu.load.%s", name); found = find(key, out, size); }
        if (found) { pthread_mutex_unlock(&lock); return *out == '!' ? atoi(out + 1) : OK; }
    }
    if (d->mig) { snprintf(key, sizeof key, "gpu%d.mig%d.%s", d->index, d->mig - 1, name); found = find(key, out, size); }
    else {
        snprintf(key, sizeof key, "gpu%d.%s", d->index, name);
        if (!(found = find(key, out, size))) { snprintf(key, sizeof key, "gpu.%s", name); found = find(key, out, size); }
    }
    pthread_mutex_unlock(&lock);
    if (!found) return NOT_SUPPORTED;
    return *out == '!' ? atoi(out + 1) : OK;
}

/* `lost = 1` and `reset_required = 1` answer for every question about the card but its handle. */
static rc_t device(const char *fn, dev_t_ d) {
    char value[416];
    rc_t rc = enter(fn);
    if (rc) return rc;
    if (!d) return INVALID;
    struct handle card = {d->index, 0};
    if (!text(&card, "lost", value, sizeof value) && atoi(value)) return 15;
    if (!text(&card, "reset_required", value, sizeof value) && atoi(value)) return 16;
    return OK;
}

static rc_t number(dev_t_ d, const char *name, u64 *out) {
    char value[416];
    rc_t rc = text(d, name, value, sizeof value);
    if (!rc) *out = strtoull(value, 0, 0);
    return rc;
}

static rc_t numbers(dev_t_ d, const char *name, u64 *out, int count) {
    char value[416], *at = value;
    rc_t rc = text(d, name, value, sizeof value);
    for (int i = 0; !rc && i < count; i++) { out[i] = strtoull(at, &at, 0); while (*at == ' ' || *at == ',') at++; }
    return rc;
}

static int gpus(void) { char v[416]; return system_text("gpus", v, sizeof v) ? 0 : atoi(v); }

#define U32(FN, KEY) rc_t FN(dev_t_ d, u32 *o) { u64 v; rc_t r = device(#FN, d); \
    if (!r) r = number(d, KEY, &v); if (!r) *o = (u32)v; return r; }
#define U64(FN, KEY) rc_t FN(dev_t_ d, u64 *o) { u64 v; rc_t r = device(#FN, d); \
    if (!r) r = number(d, KEY, &v); if (!r) *o = v; return r; }
#define TEXT(FN, KEY) rc_t FN(dev_t_ d, char *o, u32 n) { char v[416]; rc_t r = device(#FN, d); \
    if (!r) r = text(d, KEY, v, sizeof v); if (!r) { if (strlen(v) >= n) return INSUFFICIENT_SIZE; strcpy(o, v); } return r; }
#define PAIR(FN, KEY) rc_t FN(dev_t_ d, u32 *a, u32 *b) { u64 v[2] = {0}; rc_t r = device(#FN, d); \
    if (!r) r = numbers(d, KEY, v, 2); if (!r) { *a = (u32)v[0]; *b = (u32)v[1]; } return r; }
#define INDEXED(FN, KEY) rc_t FN(dev_t_ d, u32 i, u32 *o) { char k[64]; u64 v; rc_t r = device(#FN, d); \
    snprintf(k, sizeof k, KEY ".%u", i); if (!r) r = number(d, k, &v); if (!r) *o = (u32)v; return r; }
#define SETTER(FN, KEY) rc_t FN(dev_t_ d, u32 value) { char v[416]; rc_t r = device(#FN, d); \
    if (!r && (r = text(d, KEY, v, sizeof v)) == OK && !system_text("root", v, sizeof v) && !atoi(v)) r = 4; \
    if (!r) { pthread_mutex_lock(&lock); if (keys < MAX_KEYS) { \
        snprintf(table[keys].key, sizeof table[0].key, "gpu%d." KEY, d->index); \
        snprintf(table[keys].value, sizeof table[0].value, "%u", value); table[keys++].step = 0; } \
      pthread_mutex_unlock(&lock); } return r; }

rc_t nvmlInitWithFlags(u32 flags) {
    char v[416];
    (void)flags;
    rc_t rc = enter("nvmlInitWithFlags");
    if (rc) return rc;
    if (!system_text("init", v, sizeof v) && atoi(v)) return atoi(v);
    pthread_mutex_lock(&lock);
    if (!keys) { pthread_mutex_unlock(&lock); return DRIVER_NOT_LOADED; }
    initialised++;
    for (int i = 0; i < MAX_GPUS; i++) for (int m = 0; m < 9; m++) handles[i][m] = (struct handle){i, m};
    pthread_mutex_unlock(&lock);
    return OK;
}
rc_t nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
rc_t nvmlInit(void) { return nvmlInitWithFlags(0); }
rc_t nvmlShutdown(void) { rc_t r = enter("nvmlShutdown"); if (!r && initialised) initialised--; return r; }

const char *nvmlErrorString(rc_t code) {
    static const char *names[] = {"Success", "Uninitialized", "Invalid Argument", "Not Supported", "Insufficient Permissions",
        "Already Initialized", "Not Found", "Insufficient Size", "Insufficient External Power", "Driver Not Loaded", "Timeout",
        "Interrupt Request Issue", "NVML Shared Library Not Found", "Function Not Found", "Corrupted infoROM", "GPU is lost",
        "GPU requires reset", "GPU access blocked by the operating system", "Driver/library version mismatch", "In use by another client"};
    return code >= 0 && code < (int)(sizeof names / sizeof *names) ? names[code] : "Unknown Error";
}

#define SYSTEM_TEXT(FN, KEY) rc_t FN(char *o, u32 n) { char v[416]; rc_t r = enter(#FN); \
    if (!r) r = system_text(KEY, v, sizeof v); if (!r) { if (strlen(v) >= n) return INSUFFICIENT_SIZE; strcpy(o, v); } return r; }
SYSTEM_TEXT(nvmlSystemGetDriverVersion, "driver_version")
SYSTEM_TEXT(nvmlSystemGetNVMLVersion, "nvml_version")
rc_t nvmlSystemGetCudaDriverVersion_v2(int *o) {
    char v[416];
    rc_t r = enter("nvmlSystemGetCudaDriverVersion_v2");
    if (!r) r = system_text("cuda_version", v, sizeof v);
    if (!r) *o = atoi(v);
    return r;
}
rc_t nvmlSystemGetCudaDriverVersion(int *o) { return nvmlSystemGetCudaDriverVersion_v2(o); }
rc_t nvmlSystemGetProcessName(u32 pid, char *o, u32 n) {
    char k[64], v[416];
    rc_t r = enter("nvmlSystemGetProcessName");
    snprintf(k, sizeof k, "process.%u", pid);
    if (!r && system_text(k, v, sizeof v)) r = NOT_FOUND;
    if (!r) snprintf(o, n, "%s", v);
    return r;
}

rc_t nvmlDeviceGetCount_v2(u32 *o) { rc_t r = enter("nvmlDeviceGetCount_v2"); if (!r) *o = (u32)gpus(); return r; }
rc_t nvmlDeviceGetCount(u32 *o) { return nvmlDeviceGetCount_v2(o); }
rc_t nvmlDeviceGetHandleByIndex_v2(u32 i, dev_t_ *o) {
    char v[416];
    rc_t r = enter("nvmlDeviceGetHandleByIndex_v2");
    if (!r && i >= (u32)gpus()) r = INVALID;
    if (!r && !text(&handles[i][0], "handle", v, sizeof v) && atoi(v)) r = atoi(v);
    if (!r) *o = &handles[i][0];
    return r;
}
rc_t nvmlDeviceGetHandleByIndex(u32 i, dev_t_ *o) { return nvmlDeviceGetHandleByIndex_v2(i, o); }
static rc_t by(const char *fn, const char *key, const char *wanted, dev_t_ *o) {
    char v[416];
    rc_t r = enter(fn);
    for (int i = 0; !r && i < gpus(); i++)
        if (!text(&handles[i][0], key, v, sizeof v) && !strcasecmp(v, wanted)) { *o = &handles[i][0]; return OK; }
    return r ? r : NOT_FOUND;
}
rc_t nvmlDeviceGetHandleByUUID(const char *u, dev_t_ *o) { return by("nvmlDeviceGetHandleByUUID", "uuid", u, o); }
rc_t nvmlDeviceGetHandleBySerial(const char *u, dev_t_ *o) { return by("nvmlDeviceGetHandleBySerial", "serial", u, o); }
rc_t nvmlDeviceGetHandleByPciBusId_v2(const char *u, dev_t_ *o) { return by("nvmlDeviceGetHandleByPciBusId_v2", "pci", u, o); }
rc_t nvmlDeviceGetIndex(dev_t_ d, u32 *o) { rc_t r = device("nvmlDeviceGetIndex", d); if (!r) *o = (u32)d->index; return r; }
rc_t nvmlDeviceGetMinorNumber(dev_t_ d, u32 *o) { rc_t r = device("nvmlDeviceGetMinorNumber", d); if (!r) *o = (u32)d->index; return r; }

struct pci { char legacy[16]; u32 domain, bus, device, id, subsystem; char bus_id[32]; };
rc_t nvmlDeviceGetPciInfo_v3(dev_t_ d, struct pci *o) {
    char v[416];
    u64 id = 0, sub = 0;
    rc_t r = device("nvmlDeviceGetPciInfo_v3", d);
    if (!r) r = text(d, "pci", v, sizeof v);
    if (r) return r;
    memset(o, 0, sizeof *o);
    number(d, "pci_id", &id);
    number(d, "pci_subsystem_id", &sub);
    sscanf(v, "%x:%x:%x", &o->domain, &o->bus, &o->device);
    o->id = (u32)id; o->subsystem = (u32)sub;
    snprintf(o->bus_id, sizeof o->bus_id, "%08X:%02X:%02X.0", o->domain, o->bus, o->device);
    snprintf(o->legacy, sizeof o->legacy, "%04X:%02X:%02X.0", o->domain & 0xffff, o->bus & 0xff, o->device & 0xff);
    return OK;
}
rc_t nvmlDeviceGetPciInfo_v2(dev_t_ d, struct pci *o) { return nvmlDeviceGetPciInfo_v3(d, o); }

TEXT(nvmlDeviceGetName, "name")
TEXT(nvmlDeviceGetUUID, "uuid")
TEXT(nvmlDeviceGetSerial, "serial")
TEXT(nvmlDeviceGetVbiosVersion, "vbios")
TEXT(nvmlDeviceGetBoardPartNumber, "board_part_number")
TEXT(nvmlDeviceGetInforomImageVersion, "inforom_image")
U32(nvmlDeviceGetArchitecture, "architecture")
U32(nvmlDeviceGetBrand, "brand")
U32(nvmlDeviceGetBoardId, "board_id")
U32(nvmlDeviceGetMultiGpuBoard, "multi_gpu_board")
U32(nvmlDeviceGetNumGpuCores, "cores")
U32(nvmlDeviceGetMemoryBusWidth, "memory_bus_width")
U32(nvmlDeviceGetPersistenceMode, "persistence")
SETTER(nvmlDeviceSetPersistenceMode, "persistence")
U32(nvmlDeviceGetComputeMode, "compute_mode")
SETTER(nvmlDeviceSetComputeMode, "compute_mode")
U32(nvmlDeviceGetDisplayActive, "display_active")
U32(nvmlDeviceGetDisplayMode, "display_mode")
U32(nvmlDeviceGetPerformanceState, "pstate")
U32(nvmlDeviceGetPowerState, "pstate")
U32(nvmlDeviceGetPowerUsage, "power_mw")
U32(nvmlDeviceGetPowerManagementLimit, "power_limit_mw")
U32(nvmlDeviceGetEnforcedPowerLimit, "power_enforced_mw")
U32(nvmlDeviceGetPowerManagementDefaultLimit, "power_default_mw")
U32(nvmlDeviceGetPowerManagementMode, "power_management")
PAIR(nvmlDeviceGetPowerManagementLimitConstraints, "power_constraints_mw")
U64(nvmlDeviceGetTotalEnergyConsumption, "energy_mj")
U32(nvmlDeviceGetFanSpeed, "fan_percent")
INDEXED(nvmlDeviceGetFanSpeed_v2, "fan_percent")
U32(nvmlDeviceGetNumFans, "fans")
U32(nvmlDeviceGetCurrPcieLinkGeneration, "pcie_gen")
U32(nvmlDeviceGetCurrPcieLinkWidth, "pcie_width")
U32(nvmlDeviceGetMaxPcieLinkGeneration, "pcie_max_gen")
U32(nvmlDeviceGetGpuMaxPcieLinkGeneration, "pcie_gpu_max_gen")
U32(nvmlDeviceGetMaxPcieLinkWidth, "pcie_max_width")
U32(nvmlDeviceGetPcieReplayCounter, "pcie_replay")
U32(nvmlDeviceGetPcieSpeed, "pcie_speed")
INDEXED(nvmlDeviceGetPcieThroughput, "pcie_throughput_kb")
U64(nvmlDeviceGetCurrentClocksEventReasons, "event_reasons")
U64(nvmlDeviceGetCurrentClocksThrottleReasons, "event_reasons")
U64(nvmlDeviceGetSupportedClocksEventReasons, "event_reasons_supported")
U64(nvmlDeviceGetSupportedClocksThrottleReasons, "event_reasons_supported")
INDEXED(nvmlDeviceGetClockInfo, "clock")
INDEXED(nvmlDeviceGetMaxClockInfo, "clock_max")
INDEXED(nvmlDeviceGetApplicationsClock, "clock_application")
INDEXED(nvmlDeviceGetDefaultApplicationsClock, "clock_application_default")
INDEXED(nvmlDeviceGetMaxCustomerBoostClock, "clock_boost")
INDEXED(nvmlDeviceGetTemperatureThreshold, "temperature_threshold")
PAIR(nvmlDeviceGetEccMode, "ecc")
U32(nvmlDeviceGetDefaultEccMode, "ecc_default")
PAIR(nvmlDeviceGetMigMode, "mig")
PAIR(nvmlDeviceGetEncoderUtilization, "encoder")
PAIR(nvmlDeviceGetDecoderUtilization, "decoder")
U32(nvmlDeviceGetRetiredPagesPendingStatus, "retired_pending")
U64(nvmlDeviceGetSupportedEventTypes, "event_types")
INDEXED(nvmlDeviceGetNvLinkState, "nvlink_state")
INDEXED(nvmlDeviceGetNvLinkVersion, "nvlink_version")
INDEXED(nvmlDeviceGetNvLinkRemoteDeviceType, "nvlink_remote")
U32(nvmlDeviceGetMaxMigDeviceCount, "mig_max")

rc_t nvmlDeviceGetUtilizationRates(dev_t_ d, u32 *o) {
    u64 v[2] = {0};
    rc_t r = device("nvmlDeviceGetUtilizationRates", d);
    if (!r) r = numbers(d, "utilization", v, 2);
    if (!r) { o[0] = (u32)v[0]; o[1] = (u32)v[1]; }
    return r;
}
rc_t nvmlDeviceGetClock(dev_t_ d, u32 type, u32 id, u32 *o) { (void)id; return nvmlDeviceGetClockInfo(d, type, o); }
rc_t nvmlDeviceGetCudaComputeCapability(dev_t_ d, int *major, int *minor) {
    char v[416];
    rc_t r = device("nvmlDeviceGetCudaComputeCapability", d);
    if (!r) r = text(d, "compute_capability", v, sizeof v);
    if (!r && sscanf(v, "%d.%d", major, minor) != 2) r = UNKNOWN;
    return r;
}
/* memory = total,reserved,free,used in bytes */
rc_t nvmlDeviceGetMemoryInfo(dev_t_ d, u64 *o) {
    u64 v[4] = {0};
    rc_t r = device("nvmlDeviceGetMemoryInfo", d);
    if (!r) r = numbers(d, "memory", v, 4);
    if (!r) { o[0] = v[0]; o[1] = v[2]; o[2] = v[3] + v[1]; }
    return r;
}
struct memory2 { u32 version; u64 total, reserved, free, used; };
rc_t nvmlDeviceGetMemoryInfo_v2(dev_t_ d, struct memory2 *o) {
    u64 v[4] = {0};
    rc_t r = device("nvmlDeviceGetMemoryInfo_v2", d);
    if (!r && o->version != 0x02000028) r = VERSION_MISMATCH;
    if (!r) r = numbers(d, "memory", v, 4);
    if (!r) { o->total = v[0]; o->reserved = v[1]; o->free = v[2]; o->used = v[3]; }
    return r;
}
rc_t nvmlDeviceGetBAR1MemoryInfo(dev_t_ d, u64 *o) {
    rc_t r = device("nvmlDeviceGetBAR1MemoryInfo", d);
    return r ? r : numbers(d, "bar1", o, 3);
}
rc_t nvmlDeviceGetTemperature(dev_t_ d, u32 sensor, u32 *o) {
    u64 v;
    rc_t r = device("nvmlDeviceGetTemperature", d);
    if (!r && sensor) r = INVALID;
    if (!r) r = number(d, "temperature", &v);
    if (!r) *o = (u32)v;
    return r;
}
struct temperature { u32 version, sensor; int celsius; };
rc_t nvmlDeviceGetTemperatureV(dev_t_ d, struct temperature *o) {
    u64 v;
    rc_t r = device("nvmlDeviceGetTemperatureV", d);
    if (!r && o->version != 0x100000C) r = VERSION_MISMATCH;
    if (!r && o->sensor) r = INVALID;
    if (!r) r = number(d, "temperature", &v);
    if (!r) o->celsius = (int)v;
    return r;
}
struct margin { u32 version; int celsius; };
rc_t nvmlDeviceGetMarginTemperature(dev_t_ d, struct margin *o) {
    char v[416];
    rc_t r = device("nvmlDeviceGetMarginTemperature", d);
    if (!r && o->version != 0x1000008) r = VERSION_MISMATCH;
    if (!r) r = text(d, "margin", v, sizeof v);
    if (!r) o->celsius = atoi(v);
    return r;
}
struct fan_rpm { u32 version, fan, speed; };
rc_t nvmlDeviceGetFanSpeedRPM(dev_t_ d, struct fan_rpm *o) {
    u64 v;
    rc_t r = device("nvmlDeviceGetFanSpeedRPM", d);
    if (!r && o->version != 0x100000C) r = VERSION_MISMATCH;
    if (!r) r = number(d, "fan_rpm", &v);
    if (!r) o->speed = (u32)v;
    return r;
}
rc_t nvmlDeviceGetTotalEccErrors(dev_t_ d, u32 kind, u32 counter, u64 *o) {
    char k[64];
    rc_t r = device("nvmlDeviceGetTotalEccErrors", d);
    snprintf(k, sizeof k, "ecc_errors.%u.%u", kind, counter);
    return r ? r : number(d, k, o);
}
rc_t nvmlDeviceGetMemoryErrorCounter(dev_t_ d, u32 kind, u32 counter, u32 place, u64 *o) {
    char k[64];
    rc_t r = device("nvmlDeviceGetMemoryErrorCounter", d);
    snprintf(k, sizeof k, "ecc_errors.%u.%u.%u", kind, counter, place);
    return r ? r : number(d, k, o);
}
rc_t nvmlDeviceGetRemappedRows(dev_t_ d, u32 *corrected, u32 *uncorrected, u32 *pending, u32 *failure) {
    u64 v[4] = {0};
    rc_t r = device("nvmlDeviceGetRemappedRows", d);
    if (!r) r = numbers(d, "remapped", v, 4);
    if (!r) { *corrected = (u32)v[0]; *uncorrected = (u32)v[1]; *pending = (u32)v[2]; *failure = (u32)v[3]; }
    return r;
}
rc_t nvmlDeviceGetRowRemapperHistogram(dev_t_ d, u32 *o) {
    u64 v[5] = {0};
    rc_t r = device("nvmlDeviceGetRowRemapperHistogram", d);
    if (!r) r = numbers(d, "remap_banks", v, 5);
    for (int i = 0; !r && i < 5; i++) o[i] = (u32)v[i];
    return r;
}
static rc_t pages(dev_t_ d, const char *fn, u32 cause, u32 *count, u64 *addresses) {
    char k[64];
    u64 n = 0;
    rc_t r = device(fn, d);
    snprintf(k, sizeof k, "retired.%u", cause);
    if (!r) r = number(d, k, &n);
    if (r) return r;
    if (!addresses || *count < n) { *count = (u32)n; return n ? INSUFFICIENT_SIZE : OK; }
    for (u64 i = 0; i < n; i++) addresses[i] = 0x1000 * (i + 1);
    *count = (u32)n;
    return OK;
}
rc_t nvmlDeviceGetRetiredPages(dev_t_ d, u32 cause, u32 *count, u64 *a) { return pages(d, "nvmlDeviceGetRetiredPages", cause, count, a); }
rc_t nvmlDeviceGetRetiredPages_v2(dev_t_ d, u32 cause, u32 *count, u64 *a, u64 *t) { (void)t; return pages(d, "nvmlDeviceGetRetiredPages_v2", cause, count, a); }
rc_t nvmlDeviceGetViolationStatus(dev_t_ d, u32 policy, u64 *o) {
    char k[64];
    rc_t r = device("nvmlDeviceGetViolationStatus", d);
    snprintf(k, sizeof k, "violation_ns.%u", policy);
    return r ? r : numbers(d, k, o, 2);
}

/* compute_processes = pid:bytes,pid:bytes (graphics_processes likewise); an empty value is "no process". */
struct process { u32 pid; u64 bytes; u32 gpu_instance, compute_instance; };
static rc_t processes(dev_t_ d, const char *fn, const char *key, u32 *count, struct process *o) {
    char v[416], *save = 0, *part;
    rc_t r = device(fn, d);
    if (!r) r = text(d, key, v, sizeof v);
    if (r) return r;
    u32 n = 0, room = o ? *count : 0;
    for (part = strtok_r(v, ",", &save); part; part = strtok_r(0, ",", &save), n++) {
        char *at;
        if (n >= room) continue;
        o[n] = (struct process){.pid = (u32)strtoul(part, &at, 0), .gpu_instance = -1u, .compute_instance = -1u};
        o[n].bytes = *at == ':' ? strtoull(at + 1, 0, 0) : ~0ull;
    }
    *count = n;
    return n > room ? INSUFFICIENT_SIZE : OK;
}
#define PROCESSES(FN, KEY) rc_t FN(dev_t_ d, u32 *n, struct process *o) { return processes(d, #FN, KEY, n, o); }
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v3, "compute_processes")
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v2, "compute_processes")
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3, "graphics_processes")
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v2, "graphics_processes")
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3, "mps_processes")
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v2, "mps_processes")
rc_t nvmlDeviceGetProcessUtilization(dev_t_ d, void *samples, u32 *count, u64 since) {
    (void)samples; (void)count; (void)since;
    rc_t r = device("nvmlDeviceGetProcessUtilization", d);
    return r ? r : NOT_FOUND;
}

/* field.ID = number (unsigned), field.ID = -5 (signed) */
struct field { u32 id, scope; long long timestamp, latency; u32 type; rc_t rc; union { u32 ui; int si; u64 ull; } value; };
rc_t nvmlDeviceGetFieldValues(dev_t_ d, int count, struct field *o) {
    rc_t r = device("nvmlDeviceGetFieldValues", d);
    for (int i = 0; !r && i < count; i++) {
        char k[64], v[416];
        snprintf(k, sizeof k, "field.%u", o[i].id);
        o[i].rc = text(d, k, v, sizeof v);
        if (o[i].rc) continue;
        o[i].value.ull = 0;
        if (*v == '-') { o[i].type = 5; o[i].value.si = atoi(v); continue; }
        u64 wide = strtoull(v, 0, 0);
        o[i].type = wide > 0xffffffffull ? 3 : 1;
        o[i].value.ull = wide;
    }
    return r;
}

struct fabric { u32 version; unsigned char uuid[16]; rc_t status; u32 clique, state, health; };
rc_t nvmlDeviceGetGpuFabricInfoV(dev_t_ d, struct fabric *o) {
    u64 v[2] = {0};
    rc_t r = device("nvmlDeviceGetGpuFabricInfoV", d);
    if (!r) r = numbers(d, "fabric", v, 2);
    if (!r) { o->state = (u32)v[0]; o->status = (rc_t)v[1]; o->clique = 0; o->health = 0; memset(o->uuid, 0, 16); }
    return r;
}
struct addressing { u32 version, value; };
rc_t nvmlDeviceGetAddressingMode(dev_t_ d, struct addressing *o) {
    u64 v;
    rc_t r = device("nvmlDeviceGetAddressingMode", d);
    if (!r) r = number(d, "addressing_mode", &v);
    if (!r) o->value = (u32)v;
    return r;
}
struct c2c { u32 enabled; };
rc_t nvmlDeviceGetC2cModeInfoV(dev_t_ d, struct c2c *o) {
    u64 v;
    rc_t r = device("nvmlDeviceGetC2cModeInfoV", d);
    if (!r) r = number(d, "c2c", &v);
    if (!r) o->enabled = (u32)v;
    return r;
}

/* migN.uuid, migN.name, migN.memory … describe the slices of a card whose `mig = 1,1`. */
rc_t nvmlDeviceIsMigDeviceHandle(dev_t_ d, u32 *o) { rc_t r = enter("nvmlDeviceIsMigDeviceHandle"); if (!r) *o = d && d->mig; return r; }
rc_t nvmlDeviceGetMigDeviceHandleByIndex(dev_t_ d, u32 i, dev_t_ *o) {
    char k[64], v[416];
    rc_t r = device("nvmlDeviceGetMigDeviceHandleByIndex", d);
    if (r) return r;
    if (i >= 8) return NOT_FOUND;
    snprintf(k, sizeof k, "gpu%d.mig%u.uuid", d->index, i);
    if (system_text(k, v, sizeof v)) return NOT_FOUND;
    *o = &handles[d->index][i + 1];
    return OK;
}
rc_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(dev_t_ d, dev_t_ *o) {
    rc_t r = enter("nvmlDeviceGetDeviceHandleFromMigDeviceHandle");
    if (!r) *o = &handles[d->index][0];
    return r;
}
U32(nvmlDeviceGetGpuInstanceId, "gpu_instance")
U32(nvmlDeviceGetComputeInstanceId, "compute_instance")

/* The Xids of the kernel log: lines `kernel.N = <3>[ 812.000000] NVRM: Xid (PCI:0000:01:00 GPU-I:05): 94, …`. */
struct event { dev_t_ device; u64 type, data; u32 gpu_instance, compute_instance; };
#define XID_EVENT 8
static int heard;
static u64 registered[MAX_GPUS];

/* Returns how many there are; the one with number `wanted`, from 0, goes to *o. */
static int xids(int wanted, struct event *o) {
    int found = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < keys; i++) {
        u32 place[3], code, piece = -1u;
        char *at = strncmp(table[i].key, "kernel.", 7) ? 0 : strstr(table[i].value, "NVRM: Xid (PCI:");
        char *end = at ? strstr(at, "): ") : 0;
        if (!end || sscanf(end, "): %u", &code) != 1) continue;
        if (sscanf(at, "NVRM: Xid (PCI:%x:%x:%x GPU-I:%u", &place[0], &place[1], &place[2], &piece) < 3) continue;
        for (int g = 0; g < MAX_GPUS; g++) {
            char key[32], pci[416];
            u32 own[3];
            snprintf(key, sizeof key, "gpu%d.pci", g);
            if (!find(key, pci, sizeof pci) || sscanf(pci, "%x:%x:%x", &own[0], &own[1], &own[2]) != 3) continue;
            if (!memcmp(own, place, sizeof own) && found++ == wanted)
                *o = (struct event){&handles[g][0], XID_EVENT, code, piece, -1u};
        }
    }
    pthread_mutex_unlock(&lock);
    return found;
}

/* A set hears what is logged after it was made, each Xid once and in order. */
static int event_set;
rc_t nvmlEventSetCreate(void **o) {
    rc_t r = enter("nvmlEventSetCreate");
    if (r) return r;
    memset(registered, 0, sizeof registered);
    heard = xids(-1, 0);
    *o = &event_set;
    return OK;
}
rc_t nvmlEventSetFree(void *s) { (void)s; return enter("nvmlEventSetFree"); }
rc_t nvmlDeviceRegisterEvents(dev_t_ d, u64 types, void *s) {
    u64 known;
    (void)s;
    rc_t r = device("nvmlDeviceRegisterEvents", d);
    if (!r) r = number(d, "event_types", &known);
    if (!r && (types & ~known)) r = NOT_SUPPORTED;
    if (!r) registered[d->index] |= types;
    return r;
}
rc_t nvmlEventSetWait_v2(void *s, struct event *o, u32 timeout_ms) {
    (void)s;
    for (u32 waited = 0;; waited += 20) {
        struct event next;
        rc_t r = enter("nvmlEventSetWait_v2");
        if (r) return r;
        while (heard < xids(heard, &next)) {
            heard++;
            if (registered[next.device->index] & XID_EVENT) { *o = next; return OK; }
        }
        if (waited >= timeout_ms) return TIMEOUT;
        usleep(20000);
    }
}
