import { parseUlimit } from '../../base/ulimits.ts';
import type { Ulimit } from '../../wire/resources.ts';
import type { FlagTable } from '../command.ts';
import { type FlagKind, flag, optional, withInitial } from '../flags/flag.ts';
import {
  bytes,
  duration,
  int,
  intOr,
  list,
  map,
  nanoCpus,
  swapBytes,
  text,
  textOr,
  toggle,
  toggleOn,
  uint,
  uint16,
} from '../flags/kinds.ts';
import { parseBytes } from '../format/size.ts';
import * as check from './checks.ts';
import { gpus } from './gpus-flag.ts';
import { mounts } from './mount-flag.ts';
import { networks } from './network-flag.ts';

const ulimits: FlagKind<readonly Ulimit[]> = {
  typeName: 'ulimit',
  initial: [],
  defaultText: '[]',
  // A later value of the same limit takes the place of an earlier one.
  parse(raw, previous) {
    const { name, soft, hard } = parseUlimit(raw);
    const limit = { Name: name, Soft: soft, Hard: hard };
    return [...previous.filter((other) => other.Name !== limit.Name), limit];
  },
};

function wholeNumber(rate: string): number {
  if (/^\d+$/.test(rate)) return Number(rate);
  throw new Error('not a number');
}

const byteRates = withInitial(list(check.checkThrottle(parseBytes, true)), [], '[]');
const operationRates = withInitial(list(check.checkThrottle(wholeNumber, false)), [], '[]');
const weights = withInitial(list(check.checkWeightDevice), [], '[]');

/** Limits that a container can be given at its creation. */
const LIMIT_FLAGS = {
  'blkio-weight': flag(uint16, { help: 'Block IO weight, 10 to 1000, or 0 for none' }),
  'blkio-weight-device': flag(weights, { help: 'Block IO weight of a device, as DEVICE:WEIGHT' }),
  'cgroup-conf': flag(map(), { help: 'Set a file of its cgroup (v2 only), such as memory.high=512M' }),
  'cgroup-parent': flag(text, { help: 'Parent cgroup of the container' }),
  'cpu-count': flag(int, { help: 'CPU count (Windows only)', hidden: true }),
  'cpu-percent': flag(int, { help: 'CPU percent (Windows only)', hidden: true }),
  'cpu-period': flag(int, { help: 'Length of a CPU period in microseconds' }),
  'cpu-quota': flag(int, { help: 'CPU time in each period in microseconds' }),
  'cpu-rt-period': flag(int, { help: 'Length of a real-time period in microseconds' }),
  'cpu-rt-runtime': flag(int, { help: 'Real-time CPU time in each period in microseconds' }),
  'cpu-shares': flag(int, { short: 'c', help: 'CPU weight against other containers' }),
  cpus: flag(nanoCpus, { help: 'How many CPUs it may use, such as 1.5' }),
  'cpuset-cpus': flag(text, { help: 'CPUs it may use (0-3, 0,1)' }),
  'cpuset-mems': flag(text, { help: 'Memory nodes it may use (0-3, 0,1)' }),
  'device-read-bps': flag(byteRates, { help: 'Limit the reading of a device, as DEVICE:BYTES a second' }),
  'device-read-iops': flag(operationRates, {
    help: 'Limit the reads of a device, as DEVICE:NUMBER a second',
  }),
  'device-write-bps': flag(byteRates, { help: 'Limit the writing to a device, as DEVICE:BYTES a second' }),
  'device-write-iops': flag(operationRates, {
    help: 'Limit the writes to a device, as DEVICE:NUMBER a second',
  }),
  'io-maxbandwidth': flag(bytes, { help: 'Maximum IO bandwidth (Windows only)', hidden: true }),
  'io-maxiops': flag(uint, { help: 'Maximum IO operations (Windows only)', hidden: true }),
  'kernel-memory': flag(bytes, { help: 'Kernel memory limit, ignored by newer kernels', hidden: true }),
  memory: flag(bytes, { short: 'm', help: 'Memory limit, such as 512m' }),
  'memory-reservation': flag(bytes, { help: 'Memory that it keeps when memory is short' }),
  'memory-swap': flag(swapBytes, { help: "Limit of memory and swap together, '-1' for unlimited swap" }),
  'memory-swappiness': flag(intOr(-1), { help: 'How readily its memory is swapped (0 to 100)' }),
  'oom-kill-disable': flag(toggle, { help: 'Do not kill its processes when memory runs out' }),
  'oom-score-adj': flag(int, { help: 'Preference for being killed when memory runs out (-1000 to 1000)' }),
  'pids-limit': flag(optional(int), { help: 'How many processes it may have (-1 for unlimited)' }),
  'shm-size': flag(bytes, { help: 'Size of /dev/shm' }),
  'storage-opt': flag(list(), { help: 'Option of the storage driver, such as size=10G' }),
  ulimit: flag(ulimits, { help: 'Resource limit of its processes, as NAME=SOFT[:HARD]' }),
} satisfies FlagTable;

const NETWORK_FLAGS = {
  'add-host': flag(list(check.checkExtraHost), { help: 'Add a line to /etc/hosts, as NAME:IP' }),
  dns: flag(list(check.checkAddress), { help: 'DNS server of its own' }),
  'dns-opt': flag(list(), { help: 'DNS option', aliasOf: 'dns-option' }),
  'dns-option': flag(list(), { help: 'DNS option' }),
  'dns-search': flag(list(check.checkSearchDomain), { help: 'DNS search domain' }),
  domainname: flag(text, { help: 'NIS domain name' }),
  expose: flag(list(), { help: 'Port or range of ports that it serves' }),
  hostname: flag(text, { short: 'h', help: 'Host name' }),
  ip: flag(text, { help: 'IPv4 address (e.g., 172.30.100.104)' }),
  ip6: flag(text, { help: 'IPv6 address (e.g., 2001:db8::33)' }),
  link: flag(list(check.checkLink), { help: 'Make another container known by name' }),
  'link-local-ip': flag(list(), { help: 'Link-local address' }),
  'mac-address': flag(text, { help: 'MAC address (e.g., 92:d0:c6:0a:29:33)' }),
  net: flag(networks, { help: 'Network', aliasOf: 'network' }),
  'net-alias': flag(list(), { help: 'Name in the network', aliasOf: 'network-alias' }),
  network: flag(networks, { help: 'Network to join: bridge, host, none, container:NAME or a name' }),
  'network-alias': flag(list(), { help: 'Another name of the container in its network' }),
  publish: flag(list(), { short: 'p', help: 'Publish a port, as [IP:][HOST:]CONTAINER[/tcp|udp]' }),
  'publish-all': flag(toggle, { short: 'P', help: 'Publish all exposed ports at free ports' }),
} satisfies FlagTable;

const FILE_FLAGS = {
  device: flag(list(), { help: 'Give it a device of the host, as HOST[:CONTAINER[:rwm]]' }),
  'device-cgroup-rule': flag(list(check.checkCgroupRule), { help: 'Rule for the list of allowed devices' }),
  gpus: flag(gpus, { help: "GPUs to give to it ('all' for all)" }),
  mount: flag(mounts, { help: 'Mount a file system, as type=bind|volume|tmpfs,source=…,target=…' }),
  'read-only': flag(toggle, { help: "Make the container's root file system read-only" }),
  tmpfs: flag(list(), { help: 'Mount a tmpfs, as DIRECTORY[:OPTIONS]' }),
  'use-api-socket': flag(toggle, { help: "Give it the daemon's socket and the client's logins" }),
  volume: flag(list(), { short: 'v', help: 'Mount a volume or a path of the host, as SOURCE:TARGET[:ro]' }),
  'volume-driver': flag(text, { help: 'Driver of its volumes' }),
  'volumes-from': flag(list(), { help: 'Mount the volumes of another container' }),
} satisfies FlagTable;

const ISOLATION_FLAGS = {
  'cap-add': flag(list(), { help: 'Add a capability' }),
  'cap-drop': flag(list(), { help: 'Take a capability away' }),
  cgroupns: flag(text, { help: "Cgroup namespace: 'host' or 'private' (default: the daemon's choice)" }),
  'group-add': flag(list(), { help: 'Additional group of its user' }),
  ipc: flag(text, { help: 'IPC mode' }),
  isolation: flag(text, { help: 'Isolation technology (Windows only)', hidden: true }),
  pid: flag(text, { help: 'PID namespace: host or container:NAME' }),
  privileged: flag(toggle, { help: 'Give it nearly all rights of the host' }),
  runtime: flag(text, { help: 'Runtime to run it with' }),
  'security-opt': flag(list(), { help: 'Security option, such as no-new-privileges' }),
  sysctl: flag(map(check.checkSysctl), { help: 'Kernel parameter of its own namespaces' }),
  user: flag(text, { short: 'u', help: 'User and group to run as (<name|uid>[:<group|gid>])' }),
  userns: flag(text, { help: "User namespace: 'host', or 'keep-id' to be the same user inside" }),
  uts: flag(text, { help: 'UTS namespace' }),
} satisfies FlagTable;

const HEALTH_FLAGS = {
  'health-cmd': flag(text, { help: 'Command that tells whether it is healthy' }),
  'health-interval': flag(duration, { help: 'Time between checks (ms|s|m|h)' }),
  'health-retries': flag(int, { help: 'Failures in a row that make it unhealthy' }),
  'health-start-interval': flag(duration, { help: 'Time between checks in the start period (ms|s|m|h)' }),
  'health-start-period': flag(duration, { help: 'Time in which failures do not count (ms|s|m|h)' }),
  'health-timeout': flag(duration, { help: 'Time after which a check has failed (ms|s|m|h)' }),
  'restart-unhealthy': flag(toggle, { help: 'Start it again when its health check finds it unhealthy' }),
  'no-healthcheck': flag(toggle, { help: "Do not run the image's health check" }),
} satisfies FlagTable;

/** The flags that `run` and `create` have in common. */
export const CONTAINER_FLAGS = {
  ...LIMIT_FLAGS,
  ...NETWORK_FLAGS,
  ...FILE_FLAGS,
  ...ISOLATION_FLAGS,
  ...HEALTH_FLAGS,
  annotation: flag(map(), { help: 'Add an annotation for the runtime' }),
  attach: flag(list(check.checkStream), { short: 'a', help: 'Attach to STDIN, STDOUT or STDERR' }),
  cidfile: flag(text, { help: "Write the container's ID to a file" }),
  'disable-content-trust': flag(toggleOn, { help: 'Skip image verification', hidden: true }),
  entrypoint: flag(optional(text), { help: "Use this in place of the image's entrypoint" }),
  env: flag(list(check.checkEnvironment), { short: 'e', help: 'Set an environment variable' }),
  'env-file': flag(list(), { help: 'Read environment variables from a file' }),
  init: flag(optional(toggle), { help: 'Run an init that forwards signals and reaps processes' }),
  interactive: flag(toggle, { short: 'i', help: 'Keep STDIN open even if not attached' }),
  label: flag(list(check.checkLabel), { short: 'l', help: 'Set a label' }),
  'label-file': flag(list(), { help: 'Read labels from a file' }),
  'log-driver': flag(text, { help: 'Logging driver' }),
  'log-opt': flag(list(), { help: 'Option of the logging driver' }),
  name: flag(text, { help: "The container's name" }),
  platform: flag(text, { help: 'Platform of the image, such as linux/amd64' }),
  pull: flag(textOr('missing'), {
    help: 'When to pull the image ("always", "missing", "never")',
    choices: ['always', 'missing', 'never'],
  }),
  quiet: flag(toggle, { short: 'q', help: 'Do not show the progress of a pull' }),
  restart: flag(textOr('no'), {
    help: 'When to start it again after it has ended',
    choices: ['no', 'always', 'on-failure', 'unless-stopped'],
  }),
  rm: flag(toggle, { help: 'Remove the container and its anonymous volumes when it ends' }),
  'stop-signal': flag(text, { help: 'Signal that stops it' }),
  'stop-timeout': flag(optional(int), { help: 'Seconds to wait before a stop kills it' }),
  tty: flag(toggle, { short: 't', help: 'Give it a terminal' }),
  workdir: flag(text, { short: 'w', help: 'Working directory in the container' }),
} satisfies FlagTable;
