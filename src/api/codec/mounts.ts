import type { MountRequest } from '../../engine/containers/model.ts';
import { bool, int64, list, oneOf, record, string, uint32 } from './codec.ts';
import { field, object, omitEmpty, optional } from './object.ts';

type BindOptions = NonNullable<MountRequest['bindOptions']>;
type VolumeOptions = NonNullable<MountRequest['volumeOptions']>;
type DriverConfig = NonNullable<VolumeOptions['driverConfig']>;
type TmpfsOptions = NonNullable<MountRequest['tmpfsOptions']>;
type ImageOptions = NonNullable<MountRequest['imageOptions']>;

const mountType = oneOf<MountRequest['type']>(
  ['bind', 'volume', 'tmpfs', 'image', 'npipe', 'cluster'],
  'volume',
  (type) => `invalid mount config for type "${type}": mount type unknown`,
);

const bindOptions = object<BindOptions>('BindOptions', {
  propagation: omitEmpty('Propagation', string),
  nonRecursive: omitEmpty('NonRecursive', bool),
  createMountpoint: omitEmpty('CreateMountpoint', bool),
  readOnlyNonRecursive: omitEmpty('ReadOnlyNonRecursive', bool),
  readOnlyForceRecursive: omitEmpty('ReadOnlyForceRecursive', bool),
  idmap: omitEmpty('TareIDMap', string),
});

const driverConfig = object<DriverConfig>('Driver', {
  name: omitEmpty('Name', string),
  options: omitEmpty('Options', record(string)),
});

const volumeOptions = object<VolumeOptions>('VolumeOptions', {
  noCopy: omitEmpty('NoCopy', bool),
  labels: omitEmpty('Labels', record(string)),
  subpath: omitEmpty('Subpath', string),
  driverConfig: optional('DriverConfig', driverConfig),
});

const tmpfsOptions = object<TmpfsOptions>('TmpfsOptions', {
  sizeBytes: omitEmpty('SizeBytes', int64),
  mode: omitEmpty('Mode', uint32),
  options: omitEmpty('Options', list(list(string, 'array'))),
});

const imageOptions = object<ImageOptions>('ImageOptions', { subpath: omitEmpty('Subpath', string) });

/** One `--mount`. */
export const mountCodec = object<MountRequest>('Mount', {
  type: field('Type', mountType),
  source: omitEmpty('Source', string),
  target: field('Target', string),
  readOnly: omitEmpty('ReadOnly', bool),
  consistency: omitEmpty('Consistency', string),
  bindOptions: optional('BindOptions', bindOptions),
  volumeOptions: optional('VolumeOptions', volumeOptions),
  tmpfsOptions: optional('TmpfsOptions', tmpfsOptions),
  imageOptions: optional('ImageOptions', imageOptions),
});
