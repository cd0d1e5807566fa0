import { describe, expect, test } from 'bun:test';
import { readContainerDefaults } from './container-options.ts';

describe('readContainerDefaults', () => {
  test("are Docker's when nothing is said", () => {
    expect(readContainerDefaults({}, {})).toEqual({
      logConfig: { type: 'json-file', config: {} },
      ipcMode: 'private',
      cgroupnsMode: '',
      shmSize: 64 * 1024 * 1024,
      ulimits: [],
      init: false,
      noNewPrivileges: false,
      cgroupParent: '',
      dns: [],
      dnsSearch: [],
      dnsOptions: [],
    });
  });

  test('come from flags and file alike', () => {
    const flags = {
      'default-ulimit': ['nofile=1024:2048'],
      'default-shm-size': '1g',
      dns: ['10.0.0.1'],
      'dns-opt': ['ndots:2'],
      init: true,
    };
    const file = {
      'default-ulimits': { nofile: { Name: 'nofile', Soft: 1024, Hard: 2048 } },
      'default-shm-size': 2 ** 30,
      dns: ['10.0.0.1'],
      'dns-opts': ['ndots:2'],
      init: true,
    };
    expect(readContainerDefaults(flags, {})).toEqual(readContainerDefaults({}, file));
    expect(readContainerDefaults(flags, {})).toMatchObject({
      ulimits: [{ name: 'nofile', soft: 1024, hard: 2048 }],
      shmSize: 2 ** 30,
    });
  });

  test.each([
    [{ 'default-ipc-mode': 'host' }, 'use private or shareable'],
    [{ 'default-cgroupns-mode': 'both' }, 'use host or private'],
    [{ 'default-shm-size': 'much' }, 'invalid default-shm-size'],
    [{ 'default-ulimit': ['files=1'] }, 'invalid ulimit type: files'],
    [{ dns: ['resolver'] }, 'use IP addresses'],
  ])('%j is refused', (flags, message) => {
    expect(() => readContainerDefaults(flags, {})).toThrow(message);
  });
});
