import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { CONTAINER_ID, fakeContainer, IMAGE_ID, NOW } from '../../test/support/api/fake-containers.ts';
import { fakeNetwork } from '../../test/support/api/fake-engine.ts';
import { fakeImage } from '../../test/support/api/fake-images.ts';
import { Harness } from '../../test/support/api/harness.ts';
import type { Container } from '../engine/containers/model.ts';

const harness = new Harness();
beforeAll(() => harness.start());
afterAll(() => harness.stop());
beforeEach(() => {
  const { containers, images, networks } = harness.engine;
  containers.items = [fakeContainer()];
  containers.calls = [];
  containers.created = [];
  images.items = [fakeImage()];
  images.calls = [];
  networks.created = [];
});

const filter = (filters: object) => `filters=${encodeURIComponent(JSON.stringify(filters))}`;
const state = (change: Partial<Container['state']>) => ({ state: { ...fakeContainer().state, ...change } });

describe('container create', () => {
  test('the body reaches the engine in our names with defaults filled in', async () => {
    const answer = await harness.call('POST', '/v1.51/containers/create?name=/web2&platform=linux/amd64', {
      Image: 'nginx',
      cmd: 'sh',
      Env: ['A=b'],
      ExposedPorts: { '80/tcp': {} },
      HostConfig: {
        Memory: 1024,
        PortBindings: { '80/tcp': [{ HostIp: '', HostPort: '8080' }], '81/tcp': null },
        Mounts: [{ Type: 'volume', Source: 'v', Target: '/v', VolumeOptions: { NoCopy: true } }],
        RestartPolicy: { Name: 'always' },
        Ulimits: null,
        MemorySwappiness: 0,
      },
      NetworkingConfig: {
        EndpointsConfig: { net: { IPAMConfig: { IPv4Address: '10.0.0.2' }, Aliases: ['a'] }, other: null },
      },
      Unknown: { x: 1 },
    });
    expect(answer.status).toBe(201);
    expect(JSON.parse(answer.body)).toEqual({ Id: CONTAINER_ID, Warnings: ['careful'] });
    const [request] = harness.engine.containers.created;
    expect(request).toMatchObject({
      name: 'web2',
      platform: 'linux/amd64',
      config: { image: 'nginx', cmd: ['sh'], env: ['A=b'], exposedPorts: { '80/tcp': {} }, entrypoint: null },
      hostConfig: {
        portBindings: { '80/tcp': [{ hostIp: '', hostPort: '8080' }], '81/tcp': [] },
        mounts: [{ type: 'volume', source: 'v', target: '/v', readOnly: false }],
        restartPolicy: { name: 'always', maximumRetryCount: 0 },
        maskedPaths: null,
        init: null,
        resources: { memory: 1024, ulimits: [], memorySwappiness: 0, pidsLimit: null },
      },
      endpoints: { net: { ipv4Address: '10.0.0.2', aliases: ['a'], gwPriority: 0 }, other: { aliases: [] } },
    });
    expect(request?.config).not.toHaveProperty('stopTimeout');
    expect(request?.hostConfig.mounts[0]?.volumeOptions).toEqual({ noCopy: true, labels: {}, subpath: '' });
  });

  test('bad names and mount types', async () => {
    const name = await harness.call('POST', '/containers/create?name=x%20y', { Image: 'a' });
    expect(name.status).toBe(400);
    expect(JSON.parse(name.body).message).toBe(
      'Invalid container name (x y), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed',
    );
    const mount = await harness.call('POST', '/containers/create', {
      Image: 'a',
      HostConfig: { Mounts: [{ Type: 'magic', Target: '/x' }] },
    });
    expect(JSON.parse(mount.body).message).toBe('invalid mount config for type "magic": mount type unknown');
  });

  test('before API 1.44 read-only binds were not recursive', async () => {
    const body = {
      Image: 'a',
      HostConfig: { Mounts: [{ Type: 'bind', Source: '/a', Target: '/b', ReadOnly: true }] },
    };
    await harness.call('POST', '/v1.43/containers/create', body);
    await harness.call('POST', '/v1.44/containers/create', body);
    const [old, recent] = harness.engine.containers.created;
    expect(old?.hostConfig.mounts[0]?.bindOptions?.readOnlyNonRecursive).toBe(true);
    expect(recent?.hostConfig.mounts[0]?.bindOptions).toBeUndefined();
  });

  test('names of the client never become properties of the prototype', async () => {
    await harness.call(
      'POST',
      '/containers/create',
      '{"Image":"a","Labels":{"__proto__":"x","constructor":"y"}}',
    );
    const labels = harness.engine.containers.created[0]?.config.labels ?? {};
    expect(Object.keys(labels).sort()).toEqual(['__proto__', 'constructor']);
  });
});

describe('container inspect', () => {
  test('a living container with an address and ports', async () => {
    const endpoint = {
      networkId: fakeNetwork.id,
      networkName: 'bridge',
      endpointId: 'e'.repeat(64),
      settings: {
        ipv4Address: '',
        ipv6Address: '',
        linkLocalIPs: [],
        links: [],
        aliases: [],
        macAddress: '',
        driverOpts: {},
        gwPriority: 0,
      },
      interfaceName: 'eth0',
      hostInterface: 'veth0',
      macAddress: '02:42:ac:11:00:02',
      ipv4: '172.17.0.2/16',
      ipv6: '',
      gateway: '172.17.0.1',
      ipv6Gateway: '',
      defaultGateway: true,
    };
    harness.engine.containers.items = [
      fakeContainer(
        {
          Image: 'nginx',
          Entrypoint: ['/e'],
          Cmd: ['a b', 'c'],
          ExposedPorts: { '80/tcp': {}, '81/udp': {} },
        },
        {
          endpoints: [endpoint],
          ports: [{ protocol: 'tcp', containerPort: 80, hostIp: '0.0.0.0', hostPort: 8080 }],
          mounts: [
            {
              type: 'volume',
              name: 'v',
              source: '/s',
              destination: '/d',
              driver: 'local',
              mode: 'z',
              readWrite: true,
              propagation: '',
              anonymous: false,
              copyUp: true,
              fromBind: true,
              options: [],
            },
          ],
        },
      ),
    ];
    const inspect = await harness.json('GET', '/v1.51/containers/c0ff/json?size=1');
    expect(inspect).toMatchObject({
      Id: CONTAINER_ID,
      Name: '/web',
      Created: '2026-01-02T02:59:05Z',
      Path: '/e',
      Args: ['a b', 'c'],
      State: {
        Status: 'running',
        Running: true,
        Paused: false,
        Dead: false,
        Pid: 42,
        StartedAt: '2026-01-02T03:02:05Z',
        FinishedAt: '0001-01-01T00:00:00Z',
      },
      Image: IMAGE_ID,
      ResolvConfPath: `/c/${CONTAINER_ID}/resolv.conf`,
      LogPath: `/c/${CONTAINER_ID}/log`,
      Driver: 'overlay',
      Platform: 'linux',
      SizeRw: 10,
      SizeRootFs: 110,
      Mounts: [
        {
          Type: 'volume',
          Name: 'v',
          Source: '/s',
          Destination: '/d',
          Driver: 'local',
          Mode: 'z',
          RW: true,
          Propagation: '',
        },
      ],
      NetworkSettings: {
        IPAddress: '172.17.0.2',
        Ports: { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }], '81/udp': null },
        Networks: {
          bridge: {
            IPAMConfig: null,
            IPAddress: '172.17.0.2',
            IPPrefixLen: 16,
            Gateway: '172.17.0.1',
            MacAddress: '02:42:ac:11:00:02',
            DNSNames: null,
            GwPriority: 0,
          },
        },
      },
    });
    const summary = await harness.json('GET', '/v1.51/containers/json');
    expect(summary).toMatchObject([
      {
        Names: ['/web'],
        Image: 'nginx',
        Command: "/e 'a b' c",
        State: 'running',
        Status: 'Up 2 minutes',
        Ports: [
          { IP: '0.0.0.0', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' },
          { PrivatePort: 81, Type: 'udp' },
        ],
      },
    ]);
    expect(await harness.json('GET', '/v1.51/networks/bridge')).toMatchObject({
      Containers: { [CONTAINER_ID]: { Name: 'web', IPv4Address: '172.17.0.2/16' } },
    });
    const old = (await harness.json('GET', '/v1.43/containers/web/json')) as {
      NetworkSettings: { Networks: object };
    };
    expect(JSON.stringify(old.NetworkSettings.Networks)).not.toContain('GwPriority');
  });

  test('HostConfig is what was given, with the members that clients expect', async () => {
    const given = {
      Binds: ['/a:/b'],
      Memory: 5,
      CapAdd: ['ALL'],
      Init: true,
      Tmpfs: { '/t': 'size=1' },
      Mounts: [{ Type: 'bind', Source: '/a', Target: '/b', BindOptions: { Propagation: 'rslave' } }],
      PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] },
      ConsoleSize: [24, 80],
      MaskedPaths: [],
      PidsLimit: -1,
    };
    harness.engine.containers.items = [fakeContainer({ Image: 'nginx', HostConfig: given })];
    const { HostConfig } = (await harness.json('GET', '/containers/web/json')) as { HostConfig: object };
    expect(HostConfig).toMatchObject(given);
    expect(HostConfig).toMatchObject({
      VolumesFrom: null,
      CapDrop: null,
      Dns: [],
      Devices: [],
      ReadonlyPaths: null,
    });
    expect(HostConfig).not.toHaveProperty('Sysctls');
  });

  test('a stopped container shows no ports', async () => {
    harness.engine.containers.items = [
      fakeContainer(
        { Image: 'nginx', ExposedPorts: { '80/tcp': {} } },
        state({ status: 'exited', exitCode: 3, finishedAt: NOW - 3000 }),
      ),
    ];
    expect(await harness.json('GET', '/containers/web/json')).toMatchObject({
      State: { Status: 'exited', Running: false, ExitCode: 3, FinishedAt: '2026-01-02T03:04:02Z' },
      NetworkSettings: { Ports: {}, SandboxKey: '' },
    });
    expect(await harness.json('GET', '/containers/json')).toEqual([]);
    expect(await harness.json('GET', '/containers/json?all=1')).toMatchObject([
      { Status: 'Exited (3) 3 seconds ago', Ports: [] },
    ]);
  });
});

describe('container verbs', () => {
  test.each([
    ['POST', '/containers/web/start', 304, 'start web'],
    ['POST', '/containers/web/stop?t=3&signal=INT', 204, 'stop web {"timeout":3,"signal":"INT"}'],
    ['POST', '/containers/web/stop', 204, 'stop web {}'],
    ['POST', '/containers/web/restart?t=-1', 204, 'restart web {"timeout":-1}'],
    ['POST', '/containers/web/kill?signal=HUP', 204, 'kill web "HUP"'],
    ['POST', '/containers/web/pause', 204, 'pause web'],
    ['POST', '/containers/web/unpause', 204, 'unpause web'],
    ['POST', '/containers/web/rename?name=new', 204, 'rename web "new"'],
    ['POST', '/containers/web/resize?h=24&w=80', 200, 'resize web 24 80'],
    ['DELETE', '/containers/web?force=1&v=1', 204, 'remove web {"force":true,"volumes":true,"link":false}'],
  ])('%s %s', async (method, path, status, call) => {
    const answer = await harness.call(method, path);
    expect(answer.status).toBe(status);
    expect(answer.body).toBe('');
    expect(harness.engine.containers.calls).toEqual([call]);
  });

  test('bad parameters', async () => {
    expect((await harness.call('POST', '/containers/web/stop?t=soon')).status).toBe(400);
    expect((await harness.call('POST', '/containers/web/resize?h=24')).status).toBe(400);
    expect((await harness.call('POST', '/containers/web/start', { Memory: 123456 })).status).toBe(400);
    const missing = await harness.call('POST', '/containers/none/stop');
    expect(missing.status).toBe(404);
    expect(JSON.parse(missing.body)).toEqual({ message: 'No such container: none' });
  });

  test('update: what was not given is zero', async () => {
    harness.engine.containers.items = [
      fakeContainer({ Image: 'a', HostConfig: { Memory: 5, CpuShares: 7 } }),
    ];
    await harness.call('POST', '/containers/web/update', { Memory: 9, RestartPolicy: { Name: 'always' } });
    const [call] = harness.engine.containers.calls;
    expect(call).toContain('"memory":9');
    expect(call).toContain('"cpuShares":0');
    expect(call).toContain('"restartPolicy":{"name":"always","maximumRetryCount":0}');
  });

  test('top, changes, prune, commit', async () => {
    expect(await harness.json('GET', '/containers/web/top')).toEqual({ Titles: ['PID'], Processes: [['1']] });
    expect(await harness.json('GET', '/containers/web/changes')).toEqual([{ Path: '/new', Kind: 1 }]);
    expect(await harness.json('POST', '/containers/prune')).toEqual({
      ContainersDeleted: [CONTAINER_ID],
      SpaceReclaimed: 5,
    });
    expect(await harness.json('POST', `/containers/prune?${filter({ until: ['10m'] })}`)).toMatchObject({
      ContainersDeleted: null,
    });
    expect((await harness.call('POST', `/containers/prune?${filter({ name: ['x'] })}`)).status).toBe(400);
    expect(await harness.json('POST', '/commit?container=web&repo=a&tag=b')).toEqual({ Id: IMAGE_ID });
  });
});

describe('ps filters', () => {
  const names = async (filters: object, more = '') =>
    (
      (await harness.json('GET', `/containers/json?${filter(filters)}${more}`)) as Array<{ Names: string[] }>
    ).map((item) => item.Names[0]);

  beforeEach(() => {
    harness.engine.containers.items = [
      fakeContainer({ Image: 'nginx', Labels: { a: 'b' } }, { id: 'aaa', name: 'web', createdAt: 3 }),
      fakeContainer(
        { Image: 'other', ExposedPorts: { '90/udp': {} } },
        {
          id: 'bbb',
          name: 'db',
          createdAt: 2,
          imageId: 'sha256:x',
          ...state({ status: 'exited', exitCode: 2 }),
        },
      ),
      fakeContainer(
        { Image: 'nginx' },
        {
          id: 'ccc',
          name: 'web2',
          createdAt: 1,
          ports: [{ protocol: 'tcp', containerPort: 80, hostIp: '', hostPort: 8080 }],
        },
      ),
    ];
  });

  test.each([
    [{}, ['/web', '/web2']],
    [{ name: ['web'] }, ['/web', '/web2']],
    [{ name: ['^/web$'] }, ['/web']],
    [{ name: ['^web$'] }, ['/web']],
    [{ id: ['cc'] }, ['/web2']],
    [{ label: ['a=b'] }, ['/web']],
    [{ label: ['a=b', 'c'] }, []],
    [{ status: ['exited'] }, ['/db']],
    [{ ancestor: ['nginx'] }, ['/web', '/web2']],
    [{ ancestor: ['none'] }, []],
    [{ before: ['web'] }, ['/web2']],
    [{ since: ['web2'] }, ['/web']],
    [{ publish: ['8000-8100'] }, ['/web2']],
    [{ publish: ['80'] }, []],
    [{ health: ['none'] }, ['/web', '/web2']],
    [{ 'is-task': ['true'] }, []],
    [{ volume: ['v'] }, []],
    [{ network: ['n'] }, []],
  ])('%j', async (filters, expected) => {
    expect(await names(filters)).toEqual(expected);
  });

  test('stopped ones', async () => {
    expect(await names({ exited: ['2'] }, '&all=1')).toEqual(['/db']);
    expect(await names({ expose: ['90/udp'] }, '&all=1')).toEqual(['/db']);
    expect(await names({}, '&limit=2')).toEqual(['/web', '/db']);
  });

  test.each([
    [{ what: ['x'] }, "invalid filter 'what'", 400],
    [{ status: ['odd'] }, "invalid filter 'status=odd'", 400],
    [{ exited: ['x'] }, "invalid filter 'exited=x'", 400],
    [{ publish: ['99999'] }, "invalid filter 'publish=99999'", 400],
    [{ before: ['none'] }, 'No such container: none', 404],
  ])('%j is refused', async (filters, message, status) => {
    const answer = await harness.call('GET', `/containers/json?${filter(filters)}`);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body)).toEqual({ message });
  });

  test('an image whose name means another one by now is shown by its id', async () => {
    harness.engine.images.items = [fakeImage({ id: 'sha256:new' })];
    expect(await harness.json('GET', '/containers/json?limit=1')).toMatchObject([{ Image: IMAGE_ID }]);
  });
});

describe('networks and volumes', () => {
  test('networks', async () => {
    expect(await harness.json('GET', '/networks')).toMatchObject([
      {
        Name: 'bridge',
        IPAM: { Driver: 'default', Config: [{ Subnet: '172.17.0.0/16', Gateway: '172.17.0.1' }] },
      },
    ]);
    expect(await harness.json('GET', `/networks?${filter({ type: ['custom'] })}`)).toEqual([]);
    const created = await harness.call('POST', '/networks/create', {
      Name: 'n',
      IPAM: { Config: [{ Subnet: '10.0.0.0/24', AuxiliaryAddresses: { a: '10.0.0.9' } }] },
      Labels: { a: 'b' },
    });
    expect(created.status).toBe(201);
    expect(harness.engine.networks.created).toMatchObject([
      {
        name: 'n',
        driver: 'bridge',
        subnets: [{ subnet: '10.0.0.0/24', gateway: '', auxAddresses: { a: '10.0.0.9' } }],
        labels: { a: 'b' },
      },
    ]);
    expect((await harness.call('DELETE', '/networks/bridge')).status).toBe(403);
    expect(await harness.json('POST', '/networks/prune')).toEqual({ NetworksDeleted: null });
    expect((await harness.call('GET', '/networks/none')).status).toBe(404);
    expect((await harness.call('POST', '/networks/create', { Name: 'x', Driver: 'overlay' })).status).toBe(
      503,
    );
  });

  test('volumes', async () => {
    const created = await harness.call('POST', '/volumes/create', { Name: 'data', Labels: { a: 'b' } });
    expect(created.status).toBe(201);
    const volume = {
      CreatedAt: '2026-01-02T03:04:05Z',
      Driver: 'local',
      Labels: { a: 'b' },
      Mountpoint: '/v/data/_data',
      Name: 'data',
      Options: null,
      Scope: 'local',
    };
    expect(JSON.parse(created.body)).toEqual(volume);
    expect(await harness.json('GET', '/volumes/data')).toEqual(volume);
    expect(await harness.json('GET', '/volumes')).toEqual({ Volumes: [volume], Warnings: null });
    expect(await harness.json('GET', `/volumes?${filter({ dangling: ['false'] })}`)).toMatchObject({
      Volumes: [],
    });
    expect(await harness.json('POST', '/v1.51/volumes/prune')).toMatchObject({ VolumesDeleted: null });
    expect(await harness.json('POST', `/v1.51/volumes/prune?${filter({ all: ['1'] })}`)).toMatchObject({
      VolumesDeleted: ['data'],
    });
    expect((await harness.call('DELETE', '/volumes/data')).status).toBe(204);
    expect((await harness.call('GET', '/volumes/data')).status).toBe(404);
  });
});

describe('system', () => {
  test('version, info, df', async () => {
    expect(await harness.json('GET', '/version')).toMatchObject({
      Version: '0.1.0',
      ApiVersion: '1.51',
      MinAPIVersion: '1.24',
      Components: [{ Name: 'Engine' }, { Name: 'crun' }],
    });
    expect(await harness.json('GET', '/info')).toMatchObject({
      Containers: 1,
      ServerVersion: '0.1.0',
      Swarm: { LocalNodeState: 'inactive' },
      Warnings: null,
    });
    expect(await harness.json('GET', '/system/df?type=image')).toMatchObject({
      LayersSize: 100,
      Images: [{ Containers: 1 }],
    });
    expect(await harness.json('GET', '/system/df')).toHaveProperty('BuildCache', []);
    expect((await harness.call('GET', '/system/df?type=x')).status).toBe(400);
  });

  test.each([
    ['GET', '/services', 503, 'This node is not a swarm manager.'],
    ['POST', '/secrets/create', 503, 'This node is not a swarm manager.'],
    ['GET', '/configs/x', 503, 'This node is not a swarm manager.'],
    ['GET', '/tasks', 503, 'This node is not a swarm manager.'],
    ['GET', '/nodes', 503, 'This node is not a swarm manager.'],
    ['POST', '/swarm/leave', 503, 'This node is not part of a swarm'],
    ['GET', '/plugins/a/json', 404, 'plugin "a" not found'],
  ])('%s %s answers %d', async (method, path, status, words) => {
    const answer = await harness.call(method, path);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body).message).toStartWith(words);
  });

  test('no plugins', async () => {
    expect(await harness.json('GET', '/plugins')).toEqual([]);
  });
});
