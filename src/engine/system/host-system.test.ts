import { afterAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { CgroupAbilities } from '../../runtime/spec/input.ts';
import type { Container } from '../containers/model.ts';
import { HostSystem } from './host-system.ts';
import { Machine } from './machine.ts';

const root = mkdtempSync(join(tmpdir(), 'tare-machine-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function machine(name: string, files: Record<string, string>): Machine {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name, path)), { recursive: true });
    writeFileSync(join(root, name, path), content);
  }
  return new Machine(join(root, name));
}

const container = (status: string) => ({ state: { status } }) as Container;

const EVERYTHING: CgroupAbilities = {
  memory: true,
  swap: true,
  memoryReservation: true,
  swappiness: true,
  oomKillDisable: true,
  cpuShares: true,
  cpuCfs: true,
  cpuRealtime: true,
  cpuset: true,
  pids: true,
  blkioWeight: true,
  blkioWeightDevice: true,
  blkioThrottle: true,
};

function system(of: Machine, cgroupVersion: 1 | 2 = 1, lacks: Partial<CgroupAbilities> = {}): HostSystem {
  return new HostSystem({
    facts: { cgroupVersion, cgroups: { ...EVERYTHING, ...lacks } },
    id: 'id',
    version: '1.2.3',
    gitCommit: 'abc',
    buildTime: '',
    dataRoot: '/d',
    liveRestore: true,
    labels: [],
    storageDriver: 'overlay',
    storageStatus: [],
    networkDrivers: ['bridge'],
    volumeDrivers: () => ['local'],
    insecureRegistries: [],
    mirrors: [],
    proxies: { http: 'http://me:secret@proxy:3128', https: '', no: '' },
    runtime: { name: 'crun', path: '/usr/bin/crun', version: '1.8' },
    components: [{ name: 'conmon', version: '2.1' }],
    initVersion: '',
    cgroupDriver: 'cgroupfs',
    containers: { list: () => ['running', 'paused', 'exited', 'created', 'restarting'].map(container) },
    images: { list: () => [1, 2] },
    eventListeners: () => 3,
    userNamespaces: false,
    cdi: { directories: () => ['/etc/cdi'], list: () => ({ devices: ['v/c=d'], faults: [] }) },
    logDriver: () => 'json-file',
    logDrivers: ['json-file'],
    debug: () => true,
    machine: of,
  });
}

describe('host system', () => {
  test('a machine with the unified hierarchy', async () => {
    const v2 = machine('v2', {
      'proc/meminfo': 'MemTotal:        2048 kB\nMemFree: 1 kB\n',
      'proc/swaps': '',
      'proc/sys/net/ipv4/ip_forward': '1\n',
      'etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 12"\nVERSION_ID="12"\n',
    });
    const info = await system(v2, 2, { oomKillDisable: false }).info();
    expect(info).toMatchObject({
      cgroupVersion: 2,
      memory: 2048 * 1024,
      // Everybody may ask for info.
      proxies: { http: 'http://xxxxx:xxxxx@proxy:3128' },
      operatingSystem: 'Debian GNU/Linux 12',
      osVersion: '12',
      containers: { running: 2, paused: 1, stopped: 2 },
      images: 2,
      eventListeners: 3,
      debug: true,
      warnings: [],
      securityOptions: ['name=seccomp,profile=builtin', 'name=cgroupns'],
    });
    expect(info.limits.oomKillDisable).toBe(false);
    expect(info.limits.pids).toBe(true);
  });

  test('what a machine lacks becomes a warning', async () => {
    const v1 = machine('v1', {
      'proc/sys/net/ipv4/ip_forward': '0',
    });
    const info = await system(v1, 1, { swap: false, blkioWeight: false, blkioThrottle: false }).info();
    expect(info.cgroupVersion).toBe(1);
    expect(info.limits).toMatchObject({ memory: true, swap: false, oomKillDisable: true, cpuShares: true });
    expect(info.warnings).toEqual([
      'WARNING: No swap limit support',
      'WARNING: No blkio throttle.read_bps_device support',
      'WARNING: No blkio throttle.write_bps_device support',
      'WARNING: No blkio throttle.read_iops_device support',
      'WARNING: No blkio throttle.write_iops_device support',
      'WARNING: IPv4 forwarding is disabled',
    ]);
    expect(info.operatingSystem).toBe('Linux');
  });

  test('this machine has memory, processors and open files', async () => {
    const info = await system(new Machine()).info();
    expect(info.memory).toBeGreaterThan(0);
    expect(info.cpus).toBeGreaterThan(0);
    expect(info.openFiles).toBeGreaterThan(0);
    expect(system(new Machine()).version()).toMatchObject({
      version: '1.2.3',
      os: 'linux',
      components: [
        { name: 'crun', version: '1.8' },
        { name: 'conmon', version: '2.1' },
      ],
    });
  });
});
