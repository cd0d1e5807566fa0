import { existsSync } from 'node:fs';
import { posix } from 'node:path';
import { TareError } from '../../base/errors.ts';
import { isIdmap } from './bind-idmap.ts';
import { checkTarget, isVolumeName, PROPAGATIONS } from './bind-spec.ts';
import type { MountRequest } from './model.ts';

/** Checks a `--mount` and returns its cleaned target. Throws `invalid` in dockerd's words. */
export function checkMountRequest(request: MountRequest): string {
  const fail: Fail = (why) =>
    new TareError('invalid', `invalid mount config for type "${request.type}": ${why}`);
  const check = CHECKS[request.type];
  if (check === undefined) {
    throw fail(`mount type ${request.type} is not supported by this version of tare`);
  }
  if (request.target === '') throw fail('field Target must not be empty');
  const target = checkTarget(request.target, fail);
  for (const [type, field, name] of OPTION_GROUPS) {
    if (type !== request.type && request[field] !== undefined) {
      throw fail(`field ${name} must not be specified`);
    }
  }
  check(request, fail);
  return target;
}

type Fail = (why: string) => TareError;

const OPTION_GROUPS = [
  ['bind', 'bindOptions', 'BindOptions'],
  ['volume', 'volumeOptions', 'VolumeOptions'],
  ['tmpfs', 'tmpfsOptions', 'TmpfsOptions'],
  ['image', 'imageOptions', 'ImageOptions'],
] as const;

const CHECKS: Partial<Record<MountRequest['type'], (request: MountRequest, fail: Fail) => void>> = {
  bind: checkBind,
  volume: checkVolume,
  tmpfs(request, fail) {
    if (request.source !== '') throw fail('field Source must not be specified');
    if ((request.tmpfsOptions?.sizeBytes ?? 0) < 0) throw fail('size must not be negative');
  },
  image(request, fail) {
    if (request.source === '') throw fail('field Source must not be empty');
    checkSubpath(request.imageOptions?.subpath ?? '', fail);
  },
};

function checkBind({ source, readOnly, bindOptions }: MountRequest, fail: Fail): void {
  if (source === '') throw fail('field Source must not be empty');
  if (!source.startsWith('/')) {
    throw fail(`invalid mount path: '${source}' mount path must be absolute`);
  }
  const propagation = bindOptions?.propagation ?? '';
  if (propagation !== '' && !PROPAGATIONS.includes(propagation)) {
    throw fail(`invalid propagation mode: ${propagation}`);
  }
  if (bindOptions?.idmap && !isIdmap(bindOptions.idmap)) {
    throw fail(`bind-idmap must be "owner" or UID:GID of the host, not "${bindOptions.idmap}"`);
  }
  if (bindOptions?.readOnlyNonRecursive && bindOptions.readOnlyForceRecursive) {
    throw fail('ReadOnlyNonRecursive and ReadOnlyForceRecursive exclude each other');
  }
  if (bindOptions?.readOnlyNonRecursive && !readOnly) throw fail('ReadOnlyNonRecursive needs ReadOnly');
  if (bindOptions?.readOnlyForceRecursive) {
    if (!readOnly) throw fail('ReadOnlyForceRecursive needs ReadOnly');
    if (bindOptions.nonRecursive) throw fail('ReadOnlyForceRecursive and NonRecursive exclude each other');
    if (propagation !== '' && propagation !== 'rprivate') {
      throw fail('ReadOnlyForceRecursive needs the propagation rprivate');
    }
  }
  if (!existsSync(source) && !bindOptions?.createMountpoint) {
    throw fail(`bind source path does not exist: ${source}`);
  }
}

function checkVolume({ source, readOnly, volumeOptions }: MountRequest, fail: Fail): void {
  const subpath = volumeOptions?.subpath ?? '';
  if (subpath !== '') {
    if (source === '') throw fail('must not set Subpath when using anonymous volumes');
    checkSubpath(subpath, fail);
  }
  if (source === '' && readOnly) throw fail('must not set ReadOnly mode when using anonymous volumes');
  if (source !== '' && !isVolumeName(source)) {
    throw fail(
      `"${source}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  }
}

function checkSubpath(subpath: string, fail: Fail): void {
  const clean = posix.normalize(subpath);
  if (subpath.startsWith('/') || clean === '..' || clean.startsWith('../')) {
    throw fail('subpath must be a relative path within the volume');
  }
}
