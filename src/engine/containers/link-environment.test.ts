import { expect, test } from 'bun:test';
import { linkEnvironment } from './link-environment.ts';
import { withAddress } from './link-hosts.ts';

// Held against dockerd 20.10, but for the order, which no program can rely on.
test('ports, ranges of three and more, the name and the variables', () => {
  const env = linkEnvironment({
    name: '/lk/a-l',
    address: '172.17.0.2',
    env: ['AA=bb', 'PATH=/bin', 'HOME=/', 'X=y=z'],
    exposedPorts: ['443/udp', '82/tcp', '80/tcp', '81/tcp', '90/tcp', '91'],
  });
  const port = (number: number, protocol = 'tcp') => {
    const key = `A_L_PORT_${number}_${protocol.toUpperCase()}`;
    return [
      `${key}=${protocol}://172.17.0.2:${number}`,
      `${key}_ADDR=172.17.0.2`,
      `${key}_PORT=${number}`,
      `${key}_PROTO=${protocol}`,
    ];
  };
  expect(env.toSorted()).toEqual(
    [
      'A_L_PORT=tcp://172.17.0.2:80',
      'A_L_PORT_80_TCP_START=tcp://172.17.0.2:80',
      'A_L_PORT_80_TCP_PORT_START=80',
      'A_L_PORT_80_TCP_END=tcp://172.17.0.2:82',
      'A_L_PORT_80_TCP_PORT_END=82',
      ...[80, 81, 82, 90, 91].flatMap((number) => port(number)),
      ...port(443, 'udp'),
      'A_L_NAME=/lk/a-l',
      'A_L_ENV_AA=bb',
      'A_L_ENV_X=y=z',
    ].toSorted(),
  );
});

test('a linked container without ports gives its name', () => {
  expect(linkEnvironment({ name: '/a/b', address: '1.2.3.4', env: [], exposedPorts: [] })).toEqual([
    'B_NAME=/a/b',
  ]);
});

test('an address changes in the line of the alias only', () => {
  const hosts = '127.0.0.1\tlocalhost\n10.0.0.2\tdb host db1\n10.0.0.3\tdb2 db\n';
  expect(withAddress(hosts, 'db', '10.0.0.9')).toBe(
    '127.0.0.1\tlocalhost\n10.0.0.9\tdb host db1\n10.0.0.3\tdb2 db\n',
  );
});
