import { lstatSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { TareError } from '../../base/errors.ts';
import { codeOf } from '../../kernel/errno.ts';
import { deviceNumbers } from './device-numbers.ts';
import type { SpecDevice } from './input.ts';

/** Below /dev but not devices of the host that a container could use. */
const SKIPPED = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev']);

function device(stat: Stats, path: string, access: string): SpecDevice | undefined {
  const type = stat.isBlockDevice() ? 'b' : stat.isCharacterDevice() ? 'c' : undefined;
  if (!type) return undefined;
  return {
    type,
    path,
    ...deviceNumbers(stat.rdev),
    fileMode: stat.mode & 0o7777,
    uid: stat.uid,
    gid: stat.gid,
    access,
  };
}

function below(directory: string, target: string, access: string, top: boolean): SpecDevice[] {
  const found: SpecDevice[] = [];
  for (const name of readdirSync(directory)) {
    if (top && (SKIPPED.has(name) || name === 'console')) continue;
    const path = join(directory, name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat) continue;
    if (stat.isDirectory()) found.push(...below(path, join(target, name), access, false));
    else {
      const one = device(stat, join(target, name), access);
      if (one) found.push(one);
    }
  }
  return found;
}

/** All devices of the host, for a privileged container. */
export function allHostDevices(): SpecDevice[] {
  return below('/dev', '/dev', 'rwm', true);
}

/** A `--device`: one node, or all below a directory. Throws `invalid` in Docker's words. */
export function resolveDevice(request: {
  readonly pathOnHost: string;
  readonly pathInContainer: string;
  readonly cgroupPermissions: string;
}): SpecDevice[] {
  const { pathOnHost } = request;
  const target = request.pathInContainer || pathOnHost;
  const access = request.cgroupPermissions || 'rwm';
  const fail = (why: string): TareError =>
    new TareError(
      'invalid',
      `error gathering device information while adding custom device "${pathOnHost}": ${why}`,
    );
  if (!/^[rwm]{1,3}$/.test(access)) throw fail(`invalid device mode: ${access}`);
  try {
    const real = realpathSync(pathOnHost);
    const stat = statSync(real);
    if (stat.isDirectory()) {
      const found = below(real, target, access, real === '/dev');
      if (found.length === 0) throw fail('not a device node');
      return found;
    }
    const one = device(stat, target, access);
    if (!one) throw fail('not a device node');
    return [one];
  } catch (error) {
    if (error instanceof TareError) throw error;
    throw fail(codeOf(error) === 'ENOENT' ? 'no such file or directory' : String(error));
  }
}
