/**
 * Which test shows that a flag of `run`, `create`, `update` or `exec` does what Docker's does, and where that test
 * runs. `docs/run-flags.md` is made from this, and test/architecture/run-flags.test.ts checks it: the named test
 * exists and its text speaks of the flag. A flag that has no line here must be in `open.ts`.
 *
 * `create` has no lines of its own: its flags are the same objects as those of `run` (the check holds that).
 */

/** `here`: in ./check on this machine; `vm`: in the virtual machine of ./check --vm (cgroup v2, systemd). */
export type Where = 'here' | 'vm';

export interface Shown {
  /** Path of the test's file. */
  readonly file: string;
  /** The test's name as its source spells it. */
  readonly test: string;
  readonly where: Where;
}

/** An end-to-end test by the file's short name: `here('run', '-it: a terminal')`. */
function here(file: string, test: string): Shown {
  return { file: file.includes('/') ? file : `test/e2e/${file}.e2e.test.ts`, test, where: 'here' };
}

/** The same test, for what only the virtual machine has (swap, project quotas, cgroup v2). */
export function vm(file: string, test: string): Shown {
  return { ...here(file, test), where: 'vm' };
}

const LOG = '--rm waits until the log is sent';
const HEALTH = '%s: starting, healthy, unhealthy; shown by inspect, ps, its filter and events';
const STOP = '--stop-signal and --stop-timeout, and what stop says of its own';
const FORM = '-w, -u, -h, --entrypoint, --label';
const EXEC = 'exec: output, exit code, user, directory, environment, stdin';
const OTHERS = 'flags of another system are refused, those of other times are without effect';
const DNS = '--dns, --dns-search, --dns-option';
const LIMITS = 'limits of memory, CPU and processes are those of the cgroup';

export const SHOWN_RUN: Readonly<Record<string, Shown>> = {
  'add-host': here('modes', '--add-host, also host-gateway'),
  annotation: here('modes', "--annotation is the runtime's, and shown"),
  'cap-add': here('isolation', 'the default capabilities, and what --cap-add and --cap-drop make of them'),
  'cap-drop': here('isolation', 'the default capabilities, and what --cap-add and --cap-drop make of them'),
  cgroupns: here('modes', '--cgroupns private shows the container at the root, host shows where it is'),
  cidfile: here('modes', '--cidfile has the id, and must not be there before'),
  'cpu-count': here('modes', OTHERS),
  'cpu-percent': here('modes', OTHERS),
  cpus: here('isolation', LIMITS),
  detach: here('run', '-d prints the full id; --name is taken; the same name again is refused'),
  device: here('devices', '--device: its name, its rights, all below a directory, and what is none'),
  'device-cgroup-rule': here('devices', '--device-cgroup-rule opens devices that are made inside'),
  'disable-content-trust': here('modes', OTHERS),
  dns: here('modes', DNS),
  'dns-option': here('modes', DNS),
  'dns-search': here('modes', DNS),
  domainname: here('modes', '--domainname beside the host name'),
  entrypoint: here('run', FORM),
  env: here('run', 'environment: -e, --env-file, and what the image gives'),
  'env-file': here('run', 'environment: -e, --env-file, and what the image gives'),
  gpus: here('devices', '--gpus without a driver is refused in Docker words'),
  'group-add': here('modes', '--group-add by number and by name'),
  'health-cmd': here('health', HEALTH),
  'health-interval': here('health', HEALTH),
  'health-retries': here('health', HEALTH),
  'health-start-interval': here('health', HEALTH),
  'health-start-period': here('health', HEALTH),
  'health-timeout': here('health', 'a check that hangs is killed with what it started, and says so'),
  'no-healthcheck': here('health', 'the check of the image, and without it'),
  'stop-signal': here('pause-and-stop', STOP),
  'stop-timeout': here('pause-and-stop', STOP),
  hostname: here('run', FORM),
  init: here('modes', "--init is process 1 and reaps; not with the host's pid namespace"),
  interactive: here('run', 'stdin that is piped in arrives whole, and its end too'),
  'io-maxbandwidth': here('modes', OTHERS),
  'io-maxiops': here('modes', OTHERS),
  ipc: here('modes', '--ipc host, shareable, container:, private and none'),
  isolation: here('modes', OTHERS),
  'kernel-memory': here('modes', OTHERS),
  label: here('run', FORM),
  link: here('modes', '--link: a name in /etc/hosts that follows the container, variables, and its end'),
  memory: here('isolation', LIMITS),
  'log-driver': here('log-drivers', LOG),
  'log-opt': here('log-drivers', LOG),
  mount: here('run', '-v and --mount: binds and named volumes'),
  name: here('run', '-d prints the full id; --name is taken; the same name again is refused'),
  network: here('run', '--net none, host and container:ID'),
  pid: here('modes', '--pid host and container:'),
  'pids-limit': here('isolation', LIMITS),
  platform: here('modes', '--platform of the image, and another one'),
  privileged: here('isolation', '--privileged and ALL give what the daemon itself has'),
  publish: here('network', 'lead to the container, from 127.0.0.1 and from the bridge'),
  pull: here('modes', '--pull never, missing and always; --quiet'),
  quiet: here('modes', '--pull never, missing and always; --quiet'),
  'read-only': here('run', '--init, --read-only, --tmpfs'),
  restart: here('recovery', 'a restart of the daemon starts what its restart policy says'),
  rm: here('run', 'a new named volume takes what the image has there; --rm takes anonymous ones away'),
  runtime: here('modes', '--runtime: crun and its usual names; others are refused'),
  'security-opt': here(
    'modes',
    '--security-opt: seccomp, apparmor, label, systempaths and what does not exist',
  ),
  'shm-size': here('isolation', '/dev/shm of 64 MB, /dev as Docker has it'),
  sysctl: here('modes', "--sysctl of namespaces of its own; the host's are refused"),
  tmpfs: here('run', '--init, --read-only, --tmpfs'),
  tty: here('run', '-it: a terminal with a size that changes'),
  ulimit: here('isolation', 'ulimits and sysctls'),
  'use-api-socket': here('run-flags', '--use-api-socket gives the socket and the logins of the client'),
  user: here('run', FORM),
  uts: here('modes', '--uts host has the host name of the host, and none of its own'),
  volume: here('run', '-v and --mount: binds and named volumes'),
  workdir: here('run', FORM),
  'blkio-weight': here(
    'limits',
    'throttles by number, weights of blocks, real-time: in the cgroup, or a warning',
  ),
  'blkio-weight-device': here(
    'limits',
    'throttles by number, weights of blocks, real-time: in the cgroup, or a warning',
  ),
  'cgroup-parent': here('limits', '--cgroup-parent, --cgroupns'),
  'cpu-period': here('limits', '--cpuset-cpus is what a program sees; period and quota as asked'),
  'cpu-quota': here('limits', '--cpuset-cpus is what a program sees; period and quota as asked'),
  'cpu-rt-period': here('limits', '--cpu-rt-period and --cpu-rt-runtime: real-time on v1, refused elsewhere'),
  'cpu-rt-runtime': here(
    'limits',
    '--cpu-rt-period and --cpu-rt-runtime: real-time on v1, refused elsewhere',
  ),
  'cpu-shares': here('limits', '--cpu-shares: twice as much is twice the time on one processor'),
  'cpuset-cpus': here('limits', '--cpuset-cpus is what a program sees; period and quota as asked'),
  'cpuset-mems': here('limits', '--cpu-rt-period and --cpu-rt-runtime: real-time on v1, refused elsewhere'),
  'device-read-bps': here(
    'limits',
    'throttles by number, weights of blocks, real-time: in the cgroup, or a warning',
  ),
  'device-read-iops': here(
    'limits',
    'throttles by number, weights of blocks, real-time: in the cgroup, or a warning',
  ),
  'device-write-bps': here('limits', '--device-write-bps: 3 MB at 1 MB a second take their time'),
  'device-write-iops': here(
    'limits',
    'throttles by number, weights of blocks, real-time: in the cgroup, or a warning',
  ),
  'memory-reservation': here(
    'limits',
    '--memory-reservation and --memory-swappiness; what v2 lacks is a warning',
  ),
  'memory-swap': here('limits', 'a process that allocates past its limit is killed, and that is reported'),
  'memory-swappiness': here(
    'limits',
    '--memory-reservation and --memory-swappiness; what v2 lacks is a warning',
  ),
  'oom-kill-disable': here(
    'limits',
    '-m 512m --memory-swap=1g --oom-kill-disable: it waits, and update frees it',
  ),
  'oom-score-adj': here('limits', '--ulimit, --oom-score-adj: of the first process and of an exec'),
  attach: here('run-flags', '-a chooses the streams'),
  'detach-keys': here('run-flags', '--detach-keys of run and exec leave the process running'),
  expose: here('run-flags', '--label-file reads labels, --expose and -P publish what is exposed'),
  'label-file': here('run-flags', '--label-file reads labels, --expose and -P publish what is exposed'),
  'publish-all': here('run-flags', '--label-file reads labels, --expose and -P publish what is exposed'),
  'mac-address': here('run-flags', '--mac-address, --ip and --ip6, and where they cannot be'),
  ip: here('run-flags', '--mac-address, --ip and --ip6, and where they cannot be'),
  ip6: here('run-flags', '--mac-address, --ip and --ip6, and where they cannot be'),
  'link-local-ip': here('macvlan', 'link-local addresses, the name and the settings of an interface'),
  'sig-proxy': here('run-flags', '--sig-proxy passes signals on, --sig-proxy=false does not'),
  userns: here('userns', '--userns host opts out; what needs the host is refused'),
  'volume-driver': here('volume-plugins', '--volume-driver, --mount volume-driver and anonymous volumes'),
  'volumes-from': here('mounts', '--volumes-from: modes and chains'),
  'network-alias': here(
    'names',
    'name, alias, short id, host name, link and the reverse; shared aliases give all',
  ),
  'storage-opt': vm('test/vm/storage.vm.test.ts', '--storage-opt size= holds for the writable layer'),
};

export const SHOWN_UPDATE: Readonly<Record<string, Shown>> = {
  'blkio-weight': here(
    'update',
    'the rest: --cpu-period, --cpu-quota, --cpu-rt-*, --cpuset-mems, --blkio-weight, no limits',
  ),
  'cpu-period': here(
    'update',
    'the rest: --cpu-period, --cpu-quota, --cpu-rt-*, --cpuset-mems, --blkio-weight, no limits',
  ),
  'cpu-quota': here(
    'update',
    'the rest: --cpu-period, --cpu-quota, --cpu-rt-*, --cpuset-mems, --blkio-weight, no limits',
  ),
  'cpu-rt-period': here(
    'update',
    'the rest: --cpu-period, --cpu-quota, --cpu-rt-*, --cpuset-mems, --blkio-weight, no limits',
  ),
  'cpu-rt-runtime': here(
    'update',
    'the rest: --cpu-period, --cpu-quota, --cpu-rt-*, --cpuset-mems, --blkio-weight, no limits',
  ),
  'cpu-shares': here('update', 'all at once: in the kernel, in inspect, and after a restart'),
  cpus: here('update', 'all at once: in the kernel, in inspect, and after a restart'),
  'cpuset-cpus': here('update', 'all at once: in the kernel, in inspect, and after a restart'),
  'cpuset-mems': here(
    'update',
    'the rest: --cpu-period, --cpu-quota, --cpu-rt-*, --cpuset-mems, --blkio-weight, no limits',
  ),
  memory: here('update', 'all at once: in the kernel, in inspect, and after a restart'),
  'memory-reservation': here('update', 'all at once: in the kernel, in inspect, and after a restart'),
  'memory-swap': here('update', 'one that is stopped has its new limits when it starts; the event'),
  'pids-limit': here('update', 'all at once: in the kernel, in inspect, and after a restart'),
  restart: here('update', 'one that is stopped has its new limits when it starts; the event'),
};

export const SHOWN_EXEC: Readonly<Record<string, Shown>> = {
  'detach-keys': here('run-flags', '--detach-keys of run and exec leave the process running'),
  'env-file': here('run-flags', 'exec --env-file and --privileged'),
  privileged: here('run-flags', 'exec --env-file and --privileged'),
  detach: here('lifecycle', EXEC),
  env: here('lifecycle', EXEC),
  interactive: here('lifecycle', EXEC),
  tty: here('lifecycle', 'exec -it: a terminal'),
  user: here('lifecycle', EXEC),
  workdir: here('lifecycle', EXEC),
};
