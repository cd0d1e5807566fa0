import type { ContainerConfig } from '../../engine/containers/model.ts';
import type { ImageHealthcheck } from '../../oci/image-config.ts';
import { bool, int, int64, list, nullable, record, string, stringSet, strSlice } from './codec.ts';
import { field, object, omitEmpty, optional } from './object.ts';

const healthcheck = object<ImageHealthcheck>('HealthConfig', {
  Test: optional('Test', list(string, 'array')),
  Interval: optional('Interval', int64),
  Timeout: optional('Timeout', int64),
  StartPeriod: optional('StartPeriod', int64),
  StartInterval: optional('StartInterval', int64),
  Retries: optional('Retries', int),
});

/** Docker's container Config, the upper level of a create body. */
export const containerConfigCodec = object<ContainerConfig>('Config', {
  hostname: field('Hostname', string),
  domainname: field('Domainname', string),
  user: field('User', string),
  attachStdin: field('AttachStdin', bool),
  attachStdout: field('AttachStdout', bool),
  attachStderr: field('AttachStderr', bool),
  exposedPorts: omitEmpty('ExposedPorts', stringSet),
  tty: field('Tty', bool),
  openStdin: field('OpenStdin', bool),
  stdinOnce: field('StdinOnce', bool),
  env: field('Env', list(string, 'array')),
  cmd: field('Cmd', strSlice),
  healthcheck: optional('Healthcheck', healthcheck),
  argsEscaped: optional('ArgsEscaped', bool),
  image: field('Image', string),
  volumes: field('Volumes', { ...stringSet, encode: (value) => (stringSet.isEmpty(value) ? null : value) }),
  workingDir: field('WorkingDir', string),
  entrypoint: field('Entrypoint', strSlice),
  networkDisabled: optional('NetworkDisabled', bool),
  macAddress: optional('MacAddress', string),
  onBuild: optional('OnBuild', nullable(list(string, 'array'))),
  labels: field('Labels', record(string)),
  stopSignal: optional('StopSignal', string),
  stopTimeout: optional('StopTimeout', int),
  shell: optional('Shell', list(string, 'array')),
});
