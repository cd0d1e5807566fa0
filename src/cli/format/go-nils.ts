import { TypedNil, type Value } from '../../base/template/values.ts';

/**
 * JSON's null has no type, but docker prints templates from typed values: an absent list is `[]`, an absent map
 * `map[]`, an absent object `<nil>`. These are the fields of inspect answers that are not lists.
 */
const MAPS = new Set([
  'Annotations',
  'Config',
  'Containers',
  'Data',
  'DriverOpts',
  'ExposedPorts',
  'Labels',
  'Networks',
  'Options',
  'PortBindings',
  'Ports',
  'StorageOpt',
  'Sysctls',
  'Tmpfs',
  'UsageData',
  'Volumes',
]);

const POINTERS = new Set([
  'DeviceRead',
  'Health',
  'Healthcheck',
  'IPAMConfig',
  'Init',
  'MemorySwappiness',
  'OomKillDisable',
  'PidsLimit',
  'SizeRootFs',
  'SizeRw',
  'StopTimeout',
]);

const SLICES = new Set(['Mounts', 'OnBuild', 'Shell', 'RepoTags', 'RepoDigests']);

/** Fields that the daemon leaves out when they are empty, by the object that would hold them. */
const OMITTED: Readonly<Record<string, ReadonlySet<string>>> = {
  State: new Set(['Health']),
  HostConfig: new Set(['Annotations', 'Init', 'Mounts', 'StorageOpt', 'Sysctls', 'Tmpfs']),
  Config: new Set(['ExposedPorts', 'Healthcheck', 'MacAddress', 'Shell', 'StopSignal', 'StopTimeout']),
  '': new Set(['SizeRootFs', 'SizeRw']),
};

/** Field names of objects in which `OMITTED` fields may be asked for, to tell which object is meant. */
const MARKERS: ReadonlyArray<readonly [marker: string, object: string]> = [
  ['OOMKilled', 'State'],
  ['RestartPolicy', 'HostConfig'],
  ['Entrypoint', 'Config'],
  ['HostsPath', ''],
];

function nilOf(name: string, omitted = false): Value {
  if (MAPS.has(name)) return new TypedNil('map', omitted);
  if (POINTERS.has(name)) return new TypedNil('pointer', omitted);
  return new TypedNil('slice', omitted);
}

/** Gives a null field the type that it has in docker. */
export function typedField(value: Value, name: string): Value {
  return value === null ? nilOf(name) : value;
}

/**
 * The value of a field that the daemon left out because it was empty.
 * @throws Error in Go's words when the object has no such field.
 */
export function omittedField(object: Record<string, Value>, name: string): Value {
  for (const [marker, owner] of MARKERS) {
    if (marker in object && OMITTED[owner]!.has(name)) {
      return MAPS.has(name) || POINTERS.has(name) || SLICES.has(name) ? nilOf(name, true) : '';
    }
  }
  throw new Error(`map has no entry for key ${JSON.stringify(name)}`);
}
