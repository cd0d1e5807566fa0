import { describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv from 'ajv-draft-04';
import { buildSpec } from '../../runtime/spec/build-spec.ts';
import { DEFAULT_CAPABILITIES } from '../../runtime/spec/capabilities.ts';
import { encodeSpec } from '../../runtime/spec/encode.ts';
import type { MachineFacts, SpecDevice } from '../../runtime/spec/input.ts';
import { resolveUser } from '../../runtime/spec/user.ts';
import { INITIAL_STATE } from './lifecycle.ts';
import type { Container, ContainerConfig, HostConfig, MountPoint } from './model.ts';
import { specInput } from './spec-input.ts';

const ROOT = join(import.meta.dir, '../../..');
const GOLDEN = join(ROOT, 'test/golden/spec');
/** The OCI schemas are not ours and lie beside the repository, where the project's references are. */
const SCHEMAS = join(ROOT, '../shared/reference/oci-schema/runtime-spec');

const ID = '0123456789abcdef'.repeat(4);

/** NAME.json: what differs from a container of an empty request. */
interface Example {
  readonly config?: Partial<ContainerConfig>;
  readonly hostConfig?: Partial<Omit<HostConfig, 'resources'>> & {
    resources?: Partial<HostConfig['resources']>;
  };
  readonly mounts?: ReadonlyArray<Partial<MountPoint> & Pick<MountPoint, 'type' | 'destination'>>;
  readonly machine?: Partial<MachineFacts>;
  /** Path of the network namespace; null: the host's. */
  readonly network?: string | null;
  readonly devices?: readonly SpecDevice[];
  /** Show the whole seccomp policy, not its digest. */
  readonly seccomp?: boolean;
}

const PASSWD = 'root:x:0:0:root:/root:/bin/sh\nweb:x:33:33:web:/srv/web:/bin/sh\n';
const GROUP = 'root:x:0:\nweb:x:33:\naudio:x:29:web\nvideo:x:44:\n';

const MACHINE: MachineFacts = {
  cgroupVersion: 1,
  architecture: 'amd64',
  kernelRelease: '6.1.0-13-amd64',
  capabilities: [...DEFAULT_CAPABILITIES, 'CAP_SYS_ADMIN', 'CAP_NET_ADMIN', 'CAP_SYS_PTRACE'],
  hardLimits: { nofile: 20_000, memlock: 65_536 },
  oomScoreAdj: 0,
  apparmor: false,
  cgroups: {
    memory: true,
    swap: true,
    memoryReservation: true,
    swappiness: true,
    oomKillDisable: true,
    cpuShares: true,
    cpuCfs: true,
    cpuRealtime: false,
    cpuset: true,
    pids: true,
    blkioWeight: false,
    blkioWeightDevice: false,
    blkioThrottle: true,
  },
  blockDevices: (path) => (path === '/dev/sda' ? { major: 8, minor: 0 } : undefined),
};

const POINT: MountPoint = {
  type: 'bind',
  name: '',
  source: '',
  destination: '',
  driver: '',
  mode: '',
  readWrite: true,
  propagation: '',
  anonymous: false,
  copyUp: false,
  fromBind: false,
  options: [],
};

function containerOf(example: Example): Container {
  const base = JSON.parse(readFileSync(join(GOLDEN, 'empty-request.json'), 'utf8')) as Pick<
    Container,
    'config' | 'hostConfig'
  >;
  const resources = { ...base.hostConfig.resources, ...example.hostConfig?.resources };
  return {
    id: ID,
    name: 'example',
    createdAt: 0,
    imageId: `sha256:${ID}`,
    platform: 'linux/amd64',
    layers: [],
    snapshotter: 'overlay',
    config: { ...base.config, ...example.config },
    hostConfig: { ...base.hostConfig, ...example.hostConfig, resources },
    mounts: (example.mounts ?? []).map((mount) => ({ ...POINT, ...mount })),
    endpoints: [],
    ports: [],
    state: { ...INITIAL_STATE, pid: 4711 },
  };
}

function build(example: Example): ReturnType<typeof buildSpec> {
  const container = containerOf(example);
  const other = containerOf({ hostConfig: { ipcMode: 'shareable' } });
  const { network = '/run/tare/netns/x' } = example;
  return buildSpec(
    specInput(container, {
      rootfs: `/run/tare/c/${ID}/r`,
      user: resolveUser(container.config.user, container.hostConfig.groupAdd, {
        passwd: PASSWD,
        group: GROUP,
      }),
      network: network ?? undefined,
      files: { hosts: '/d/hosts', hostname: '/d/hostname', resolvConf: '/d/resolv.conf' },
      devices: example.devices ?? [],
      linkEnvironment: [],
      mapping: undefined,
      initProgram: '/usr/bin/tini-static',
      initByDefault: false,
      cgroupDriver: 'cgroupfs',
      shmDirectory: (id) => `/run/tare/c/${id}/shm`,
      find: () => ({ ...other, id: 'f'.repeat(64), state: { ...other.state, status: 'running' } }),
      machine: { ...MACHINE, ...example.machine },
    }),
  );
}

/** Readable text of a result; the long policy is a digest unless the example is about it. */
function show({ spec, warnings }: ReturnType<typeof buildSpec>, whole: boolean): string {
  const { seccomp } = spec.linux;
  const digest = seccomp && createHash('sha256').update(JSON.stringify(seccomp)).digest('hex').slice(0, 16);
  const shown = whole || !seccomp ? spec : { ...spec, linux: { ...spec.linux, seccomp: digest } };
  return `${JSON.stringify({ warnings, config: JSON.parse(JSON.stringify(shown)) }, null, 2)}\n`;
}

const names = readdirSync(GOLDEN)
  .filter((name) => name.endsWith('.in.json'))
  .map((name) => name.slice(0, -'.in.json'.length));

function read(name: string): Example {
  return JSON.parse(readFileSync(join(GOLDEN, `${name}.in.json`), 'utf8')) as Example;
}

/** NAME.in.json is what a container asks for, NAME.out.json the OCI configuration. UPDATE_GOLDEN=1 writes them anew. */
describe('a request to an OCI configuration', () => {
  test.each(names)('%s', (name) => {
    const example = read(name);
    const path = join(GOLDEN, `${name}.out.json`);
    const text = show(build(example), example.seccomp ?? false);
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, text);
    expect(text).toBe(readFileSync(path, 'utf8'));
  });

  test('there are examples', () => expect(names.length).toBeGreaterThan(10));

  const schemasThere = existsSync(join(SCHEMAS, 'config-schema.json'));
  if (!schemasThere) console.log(`OCI schemas are not at ${SCHEMAS}: validation is skipped`);
  test.skipIf(!schemasThere).each(names)('%s is valid by the OCI schema', (name) => {
    const ajv = new Ajv({ strict: false, validateFormats: false });
    for (const file of ['config-linux.json', 'defs-linux.json', 'defs.json']) {
      ajv.addSchema(JSON.parse(readFileSync(join(SCHEMAS, file), 'utf8')), file);
    }
    // The parts for other systems than Linux are not there and not used.
    for (const system of ['solaris', 'windows', 'vm', 'zos', 'freebsd']) {
      ajv.addSchema({ [system]: {} }, `config-${system}.json`);
    }
    const validate = ajv.compile(JSON.parse(readFileSync(join(SCHEMAS, 'config-schema.json'), 'utf8')));
    const valid = validate(JSON.parse(encodeSpec(build(read(name)).spec)));
    expect(validate.errors ?? []).toEqual([]);
    expect(valid).toBe(true);
  });
});

describe('what makes no sense is refused', () => {
  const cases: Array<[string, Example, string]> = [
    ['no command', { config: { cmd: null } }, 'no command specified'],
    [
      'unknown capability',
      { hostConfig: { capAdd: ['fly'] } },
      'invalid CapAdd: unknown capability: "CAP_FLY"',
    ],
    ['malformed option', { hostConfig: { securityOpt: ['what'] } }, 'invalid --security-opt 1: "what"'],
    ['unknown option', { hostConfig: { securityOpt: ['a=b'] } }, 'invalid --security-opt 2: "a=b"'],
    [
      'unknown user',
      { config: { user: 'nobody' } },
      'unable to find user nobody: no matching entries in passwd file',
    ],
    [
      'unknown group',
      { config: { user: 'web:gang' } },
      'unable to find group gang: no matching entries in group file',
    ],
    [
      'number out of range',
      { config: { user: '4294967296' } },
      'uids and gids must be in range 0-2147483647',
    ],
    [
      'device rule',
      { hostConfig: { resources: { deviceCgroupRules: ['c 1'] } } },
      "invalid device cgroup rule format: 'c 1'",
    ],
    ['seccomp policy', { hostConfig: { securityOpt: ['seccomp={'] } }, 'Decoding seccomp profile failed'],
    ['tmpfs option', { hostConfig: { tmpfs: { '/t': 'fast' } } }, 'invalid tmpfs option ["fast"]'],
    [
      'ulimit',
      { hostConfig: { resources: { ulimits: [{ name: 'x', soft: 1, hard: 1 }] } } },
      'invalid ulimit type: x',
    ],
  ];
  test.each(cases)('%s', (_, example, words) => expect(() => build(example)).toThrow(words));
});
