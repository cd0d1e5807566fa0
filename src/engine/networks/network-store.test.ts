import { beforeEach, describe, expect, test } from 'bun:test';
import { TareError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import type {
  NamespacePool,
  NetworkDriver,
  NetworkNamespace,
  NetworkSpec,
} from '../../netdriver/netdriver.ts';
import { PassiveDriver } from '../../netdriver/passive.ts';
import { Database } from '../../store/database.ts';
import { NetworkTable } from '../../store/tables/networks.ts';
import type { ContainerEndpoint, EndpointSettings } from '../containers/model.ts';
import { DEFAULT_BRIDGE, type DefaultBridge } from './default-network.ts';
import { NetworkStore } from './network-store.ts';
import type { CreateNetwork } from './networks.ts';

const settings: EndpointSettings = {
  ipv4Address: '',
  ipv6Address: '',
  linkLocalIPs: [],
  links: [],
  aliases: [],
  macAddress: '',
  driverOpts: {},
  gwPriority: 0,
};
const request: CreateNetwork = {
  name: 'app',
  driver: '',
  internal: false,
  attachable: false,
  enableIPv6: false,
  ipamDriver: '',
  ipamOptions: {},
  subnets: [],
  options: {},
  labels: {},
};

let table: NetworkTable;
let calls: string[];
let emitted: string[];
let taken: string[];
let failing: string;

function fakeDriver(): NetworkDriver {
  const note = (call: string, network: Pick<NetworkSpec, 'name'>): void => {
    calls.push(`${call} ${network.name}`);
    if (call === failing) throw new TareError('internal', `${call} fails`);
  };
  return {
    name: 'bridge',
    createNetwork: async (network) => note('create', network),
    removeNetwork: async (network) => note('remove', network),
    join: async (network, endpoint) => note(`join ${endpoint.hostInterface}`, network),
    leave: async (network) => note('leave', network),
    unplug: async (network) => note('unplug', network),
    publish: async (network, _endpoint, wanted) => {
      note('publish', network);
      return wanted.map((entry) => ({ ...entry, hostIp: '0.0.0.0' }));
    },
    unpublish: async () => {},
    restore: async (networks) => {
      for (const { network, endpoints } of networks) {
        note(`restore ${endpoints.map(({ endpoint }) => endpoint.ipv4).join()}`, network);
      }
    },
    close: async () => {},
  };
}

const namespace: NetworkNamespace = { path: '/x', fd: -1, close() {} };
const namespaces: NamespacePool = {
  take: async () => namespace,
  keepReady: () => {},
  links: () => [],
  ofProcess: () => namespace,
  route: () => {},
  close: async () => {},
};

function open(defaultBridge: DefaultBridge | undefined = DEFAULT_BRIDGE): NetworkStore {
  return new NetworkStore({
    table,
    drivers: [fakeDriver(), new PassiveDriver('host'), new PassiveDriver('null')],
    namespaces,
    names: { serve: async () => {}, stop: () => {}, close: () => {} },
    host: { taken: () => taken, addressOf: () => undefined },
    defaultBridge,
    events: {
      emit: ({ action, attributes }) =>
        void emitted.push(
          `${action} ${attributes.name}${attributes.container ? ` ${attributes.container}` : ''}`,
        ),
    },
    log: silentLogger,
    containerName: (id) => `name-of-${id}`,
  });
}

beforeEach(() => {
  table = new NetworkTable(new Database(':memory:'));
  calls = [];
  emitted = [];
  taken = [];
  failing = '';
});

describe('the predefined networks', () => {
  test('are there, with ids that stay', () => {
    const first = open().list();
    expect(first.map(({ name, driver }) => `${name} ${driver}`)).toEqual([
      'bridge bridge',
      'host host',
      'none null',
    ]);
    expect(open().list()).toEqual(first);
    expect(open().get('default').name).toBe('bridge');
  });

  test('cannot be made or removed', () => {
    const store = open();
    expect(store.remove('bridge')).rejects.toThrow('bridge is a pre-defined network and cannot be removed');
    expect(store.create({ ...request, name: 'host' })).rejects.toMatchObject({
      kind: 'forbidden',
      message: 'operation is not permitted on predefined host network',
    });
    expect(store.create({ ...request, driver: 'host' })).rejects.toThrow(
      'only one instance of "host" network',
    );
  });

  test('the default one keeps away from the host, and moves when the host comes in its way', async () => {
    taken = ['172.17.0.0/16'];
    const store = open();
    expect(store.get('bridge').subnets).toEqual([{ subnet: '172.18.0.0/16', gateway: '172.18.0.1' }]);
    taken = ['172.18.5.0/24'];
    const later = open();
    await later.restore([]);
    expect(later.get('bridge').subnets).toEqual([{ subnet: '172.17.0.0/16', gateway: '172.17.0.1' }]);
    expect(calls).toEqual(['remove bridge', 'restore  bridge']);
  });

  test('the default one follows the configuration once no container is in it', async () => {
    const store = open();
    await store.restore([]);
    const endpoint = await store.allocate('bridge', 'c1', settings, 0);
    const configured = { ...DEFAULT_BRIDGE, bip: '10.9.0.5/24' };
    const busy = open(configured);
    await busy.restore([{ containerId: 'c1', endpoints: [endpoint], ports: [] }]);
    expect(busy.get('bridge').subnets[0]?.subnet).toBe('172.17.0.0/16');
    const idle = open(configured);
    await idle.restore([]);
    expect(idle.get('bridge').subnets).toEqual([{ subnet: '10.9.0.0/24', gateway: '10.9.0.5' }]);
    const none = open(undefined);
    expect(none.get('bridge').id).toBe(store.get('bridge').id);
  });
});

describe('networks', () => {
  test('are made, found by name, id and prefix, and removed', async () => {
    const store = open();
    const { id } = await store.create(request);
    expect(store.find('app')?.id).toBe(id);
    expect(store.find(id.slice(0, 12))?.name).toBe('app');
    expect(open().get('app')).toEqual(store.get('app'));
    expect(store.create(request)).rejects.toThrow('network with name app already exists');
    await store.remove('app');
    expect(() => store.get('app')).toThrow('network app not found');
    expect(open().find('app')).toBeUndefined();
    expect(calls).toEqual(['create app', 'remove app']);
    expect(emitted).toEqual(['create app', 'destroy app']);
  });

  test('one that cannot be made leaves nothing', async () => {
    const store = open();
    failing = 'create';
    expect(store.create(request)).rejects.toThrow('create fails');
    await Bun.sleep(1);
    expect(store.find('app')).toBeUndefined();
    expect(open().find('app')).toBeUndefined();
  });

  test('one that cannot be removed stays', async () => {
    const store = open();
    await store.create(request);
    failing = 'remove';
    await expect(store.remove('app')).rejects.toThrow('error while removing network: remove fails');
    expect(store.get('app').name).toBe('app');
  });

  test('with containers in it is not removed', async () => {
    const store = open();
    await store.create(request);
    const endpoint = await store.allocate('app', 'c1', settings, 0);
    await expect(store.remove('app')).rejects.toMatchObject({
      kind: 'forbidden',
      message: 'error while removing network: network app has active endpoints (name:"name-of-c1" id:"c1")',
    });
    await store.release(endpoint);
    await store.remove('app');
  });

  test('at once do not get the same subnet', async () => {
    const store = open();
    await Promise.all([1, 2, 3].map((number) => store.create({ ...request, name: `app${number}` })));
    const subnets = store.list().flatMap((network) => network.subnets.map(({ subnet }) => subnet));
    expect(new Set(subnets).size).toBe(4);
  });

  test('of unknown drivers', () => {
    expect(open().create({ ...request, driver: 'x' })).rejects.toMatchObject({ kind: 'not-found' });
  });
});

describe('endpoints', () => {
  const live = (endpoint: ContainerEndpoint, containerId: string) => ({
    containerId,
    endpoints: [endpoint],
    ports: [],
  });

  test('get address, gateway and hardware address', async () => {
    const store = open();
    expect(await store.allocate('bridge', 'c1', settings, 0)).toMatchObject({
      networkName: 'bridge',
      interfaceName: 'eth0',
      ipv4: '172.17.0.2/16',
      gateway: '172.17.0.1',
      macAddress: '02:42:ac:11:00:02',
      defaultGateway: false,
    });
    expect(await store.allocate('none', 'c1', settings, 0)).toMatchObject({ ipv4: '', interfaceName: '' });
  });

  test('get the address that they had last, unless another has it or one is asked for', async () => {
    const store = open();
    const subnet = { subnet: '10.5.0.0/24', gateway: '', ipRange: '', auxAddresses: {} };
    await store.create({ ...request, name: 'net', subnets: [subnet] });
    const first = await store.allocate('net', 'c1', settings, 0);
    await store.release(first);
    expect((await store.allocate('net', 'c2', settings, 0)).ipv4).toBe('10.5.0.3/24');
    const again = await store.allocate('net', 'c1', settings, 0);
    expect(again.ipv4).toBe(first.ipv4);
    await store.release(again);
    await store.allocate('net', 'c3', { ...settings, ipv4Address: '10.5.0.2' }, 0);
    const other = await store.allocate('net', 'c1', settings, 0);
    expect(other.ipv4).toBe('10.5.0.4/24');
    await store.release(other);
    const asked = await store.allocate('net', 'c1', { ...settings, ipv4Address: '10.5.0.9' }, 0);
    expect(asked.ipv4).toBe('10.5.0.9/24');
  });

  test('take the interface of a prepared namespace', async () => {
    const store = open();
    const endpoint = await store.allocate('bridge', 'c1', settings, 0);
    const prepared = { networkId: store.get('bridge').id, hostInterface: 'veth0123456' };
    const joined = await store.join(endpoint, 'c1', { ...namespace, prepared });
    expect(joined.hostInterface).toBe('veth0123456');
    await store.leave(joined, 'c1');
    expect(calls).toEqual(['join veth0123456 bridge', 'leave bridge']);
    expect(emitted).toEqual(['connect bridge c1', 'disconnect bridge c1']);
  });

  test('hold their address over a restart; what ended meanwhile gives back only its own', async () => {
    const store = open();
    const [one, two] = [
      await store.allocate('bridge', 'c1', settings, 0),
      await store.allocate('bridge', 'c2', settings, 0),
    ];
    const again = open();
    await again.restore([live(one, 'c1')]);
    expect(calls).toEqual(['restore 172.17.0.2/16 bridge']);
    const three = await again.allocate('bridge', 'c3', settings, 0);
    expect(three.ipv4).toBe(two.ipv4);
    await again.release(two);
    expect((await again.allocate('bridge', 'c4', settings, 0)).ipv4).toBe('172.17.0.4/16');
    await again.release(one);
    await again.release(one);
  });

  test('a failed publication names the container', async () => {
    const store = open();
    const endpoint = await store.allocate('bridge', 'c1', settings, 0);
    failing = 'publish';
    const wanted = { protocol: 'tcp', containerPort: 80, hostIp: '', hostPort: 80, hostPortEnd: 80 } as const;
    await expect(store.publish(endpoint, 'c1', [wanted])).rejects.toThrow(
      `driver failed programming external connectivity on endpoint name-of-c1 (${endpoint.endpointId}): publish fails`,
    );
  });
});
