import { existsSync } from 'node:fs';
import { TareError } from '../base/errors.ts';
import type { CgroupDriver } from '../engine/containers/cgroup-path.ts';

/** dockerd's `--exec-opt`: `native.cgroupdriver=cgroupfs|systemd` is all there is. Throws `invalid` for others. */
export function readExecOptions(options: readonly string[]): CgroupDriver {
  let driver: CgroupDriver = 'cgroupfs';
  for (const option of options) {
    const [key = '', value = ''] = option.split('=', 2);
    if (key.toLowerCase() !== 'native.cgroupdriver') {
      throw new TareError(
        'invalid',
        `unknown exec option "${option}": use native.cgroupdriver=systemd or =cgroupfs`,
      );
    }
    if (value !== 'cgroupfs' && value !== 'systemd') {
      throw new TareError(
        'invalid',
        `native.cgroupdriver option ${value} not supported: use systemd or cgroupfs`,
      );
    }
    driver = value;
  }
  return driver;
}

/** Throws `invalid` when systemd is to make the cgroups and does not run this machine (sd_booted(3)). */
export function checkCgroupDriver(driver: CgroupDriver): void {
  if (driver !== 'systemd' || existsSync('/run/systemd/system')) return;
  throw new TareError(
    'invalid',
    'native.cgroupdriver=systemd needs a machine that systemd runs: use native.cgroupdriver=cgroupfs',
  );
}
