import type {
  DeviceRequest,
  HostConfig,
  PortBinding,
  Resources,
  ThrottleDevice,
} from '../../engine/containers/model.ts';
import { bool, consoleSize, int, int64, list, nullable, record, string, uint16 } from './codec.ts';
import { mountCodec } from './mounts.ts';
import { embedded, field, object, omitEmpty, optional } from './object.ts';

const throttleDevice = object<ThrottleDevice>('ThrottleDevice', {
  path: field('Path', string),
  rate: field('Rate', int64),
});

const deviceRequest = object<DeviceRequest>('DeviceRequest', {
  driver: field('Driver', string),
  count: field('Count', int),
  deviceIDs: field('DeviceIDs', nullable(list(string, 'array'))),
  capabilities: field('Capabilities', nullable(list(list(string, 'array'), 'array'))),
  options: field('Options', nullable(record(string))),
});

const throttleDevices = list(throttleDevice, 'array');

/** Limits, embedded in HostConfig and the body of update. */
export const resourcesCodec = object<Resources>('Resources', {
  cpuShares: field('CpuShares', int64),
  memory: field('Memory', int64),
  nanoCpus: field('NanoCpus', int64),
  cgroupParent: field('CgroupParent', string),
  blkioWeight: field('BlkioWeight', uint16),
  blkioWeightDevice: field(
    'BlkioWeightDevice',
    list(
      object<Resources['blkioWeightDevice'][number]>('WeightDevice', {
        path: field('Path', string),
        weight: field('Weight', uint16),
      }),
      'array',
    ),
  ),
  blkioDeviceReadBps: field('BlkioDeviceReadBps', throttleDevices),
  blkioDeviceWriteBps: field('BlkioDeviceWriteBps', throttleDevices),
  blkioDeviceReadIOps: field('BlkioDeviceReadIOps', throttleDevices),
  blkioDeviceWriteIOps: field('BlkioDeviceWriteIOps', throttleDevices),
  cpuPeriod: field('CpuPeriod', int64),
  cpuQuota: field('CpuQuota', int64),
  cpuRealtimePeriod: field('CpuRealtimePeriod', int64),
  cpuRealtimeRuntime: field('CpuRealtimeRuntime', int64),
  cpusetCpus: field('CpusetCpus', string),
  cpusetMems: field('CpusetMems', string),
  devices: field(
    'Devices',
    list(
      object<Resources['devices'][number]>('DeviceMapping', {
        pathOnHost: field('PathOnHost', string),
        pathInContainer: field('PathInContainer', string),
        cgroupPermissions: field('CgroupPermissions', string),
      }),
      'array',
    ),
  ),
  deviceCgroupRules: field('DeviceCgroupRules', list(string)),
  deviceRequests: field('DeviceRequests', list(deviceRequest)),
  memoryReservation: field('MemoryReservation', int64),
  memorySwap: field('MemorySwap', int64),
  memorySwappiness: field('MemorySwappiness', nullable(int64)),
  oomKillDisable: field('OomKillDisable', nullable(bool)),
  pidsLimit: field('PidsLimit', nullable(int64)),
  ulimits: field(
    'Ulimits',
    list(
      object<Resources['ulimits'][number]>('Ulimit', {
        name: field('Name', string),
        soft: field('Soft', int64),
        hard: field('Hard', int64),
      }),
      'array',
    ),
  ),
  cgroupConf: optional('CgroupConf', record(string)),
});

export const restartPolicyCodec = object<HostConfig['restartPolicy']>('RestartPolicy', {
  name: field('Name', string),
  maximumRetryCount: field('MaximumRetryCount', int),
});

const portBinding = object<PortBinding>('PortBinding', {
  hostIp: field('HostIp', string),
  hostPort: field('HostPort', string),
});

/** `80/tcp` → bindings. */
export const portBindings = record(list(portBinding, 'array'));

/** Docker's HostConfig; its members stand in the order in which dockerd writes them. */
export const hostConfigCodec = object<HostConfig>('HostConfig', {
  binds: field('Binds', list(string)),
  containerIDFile: field('ContainerIDFile', string),
  logConfig: field(
    'LogConfig',
    object<HostConfig['logConfig']>('LogConfig', {
      type: field('Type', string),
      config: field('Config', record(string)),
    }),
  ),
  networkMode: field('NetworkMode', string),
  portBindings: field('PortBindings', portBindings),
  restartPolicy: field('RestartPolicy', restartPolicyCodec),
  autoRemove: field('AutoRemove', bool),
  volumeDriver: field('VolumeDriver', string),
  volumesFrom: field('VolumesFrom', list(string)),
  consoleSize: field('ConsoleSize', consoleSize),
  annotations: omitEmpty('Annotations', record(string)),
  capAdd: field('CapAdd', list(string)),
  capDrop: field('CapDrop', list(string)),
  cgroupnsMode: field('CgroupnsMode', string),
  dns: field('Dns', list(string, 'array')),
  dnsOptions: field('DnsOptions', list(string, 'array')),
  dnsSearch: field('DnsSearch', list(string, 'array')),
  extraHosts: field('ExtraHosts', list(string)),
  groupAdd: field('GroupAdd', list(string)),
  ipcMode: field('IpcMode', string),
  cgroup: field('Cgroup', string),
  links: field('Links', list(string)),
  oomScoreAdj: field('OomScoreAdj', int),
  pidMode: field('PidMode', string),
  privileged: field('Privileged', bool),
  publishAllPorts: field('PublishAllPorts', bool),
  readonlyRootfs: field('ReadonlyRootfs', bool),
  securityOpt: field('SecurityOpt', list(string)),
  storageOpt: omitEmpty('StorageOpt', record(string)),
  tmpfs: omitEmpty('Tmpfs', record(string)),
  utsMode: field('UTSMode', string),
  usernsMode: field('UsernsMode', string),
  shmSize: field('ShmSize', int64),
  sysctls: omitEmpty('Sysctls', record(string)),
  runtime: field('Runtime', string),
  isolation: field('Isolation', string),
  resources: embedded(resourcesCodec),
  mounts: omitEmpty('Mounts', list(mountCodec)),
  maskedPaths: field('MaskedPaths', nullable(list(string, 'array'))),
  readonlyPaths: field('ReadonlyPaths', nullable(list(string, 'array'))),
  init: omitEmpty('Init', nullable(bool)),
  restartUnhealthy: optional('RestartUnhealthy', bool),
});
