import { describe, expect, test } from 'bun:test';
import { type ContainerDefaults, withDefaults } from './container-defaults.ts';
import type { HostConfig } from './model.ts';

const DEFAULTS: ContainerDefaults = {
  logConfig: { type: 'local', config: { 'max-size': '1m' } },
  ipcMode: 'shareable',
  cgroupnsMode: 'private',
  shmSize: 1024,
  ulimits: [
    { name: 'nofile', soft: 1, hard: 2 },
    { name: 'core', soft: 0, hard: 0 },
  ],
  init: true,
  noNewPrivileges: true,
  cgroupParent: '/ours',
  dns: ['10.0.0.1'],
  dnsSearch: ['lan'],
  dnsOptions: ['ndots:2'],
};

function host(over: Partial<HostConfig> = {}, resources: object = {}): HostConfig {
  return {
    networkMode: '',
    shmSize: 0,
    ipcMode: '',
    cgroupnsMode: '',
    runtime: '',
    init: null,
    privileged: false,
    securityOpt: [],
    maskedPaths: null,
    readonlyPaths: null,
    restartPolicy: { name: '', maximumRetryCount: 0 },
    logConfig: { type: '', config: {} },
    dns: [],
    dnsSearch: [],
    dnsOptions: [],
    resources: { memory: 0, memorySwap: 0, ulimits: [], cgroupParent: '', ...resources },
    ...over,
  } as unknown as HostConfig;
}

describe('withDefaults', () => {
  test('fills in what was left open', () => {
    expect(withDefaults(host(), DEFAULTS, 2)).toMatchObject({
      networkMode: 'bridge',
      shmSize: 1024,
      ipcMode: 'shareable',
      cgroupnsMode: 'private',
      init: true,
      securityOpt: ['no-new-privileges'],
      logConfig: DEFAULTS.logConfig,
      dns: ['10.0.0.1'],
      resources: { ulimits: DEFAULTS.ulimits, cgroupParent: '/ours' },
    });
  });

  test('and leaves what was asked for', () => {
    const asked = host(
      {
        shmSize: 7,
        ipcMode: 'private',
        init: false,
        securityOpt: ['no-new-privileges=false'],
        dns: ['1.1.1.1'],
      },
      { ulimits: [{ name: 'nofile', soft: 9, hard: 9 }], memory: 10 },
    );
    expect(withDefaults(asked, DEFAULTS, 2)).toMatchObject({
      shmSize: 7,
      ipcMode: 'private',
      init: false,
      securityOpt: ['no-new-privileges=false'],
      dns: ['1.1.1.1'],
      dnsSearch: ['lan'],
      resources: {
        ulimits: [
          { name: 'nofile', soft: 9, hard: 9 },
          { name: 'core', soft: 0, hard: 0 },
        ],
        memorySwap: 20,
      },
    });
  });

  test('no resolver of its own, no settings for one', () => {
    expect(withDefaults(host({ networkMode: 'host' }), DEFAULTS, 2).dns).toEqual([]);
  });

  test.each([
    [1, false, '', 'host'],
    [2, false, '', 'private'],
    [2, true, '', 'private'],
    [1, false, 'private', 'private'],
    [1, true, 'private', 'host'],
    [2, true, 'host', 'host'],
  ] as const)(
    'cgroup v%d, privileged %p, configured %p: %s',
    (version, privileged, cgroupnsMode, expected) => {
      const made = withDefaults(host({ privileged }), { ...DEFAULTS, cgroupnsMode }, version);
      expect(made.cgroupnsMode).toBe(expected);
    },
  );
});
