import { describe, expect, test } from 'bun:test';
import {
  hostnameFile,
  hostResolver,
  hostsFile,
  hostsFileOfHost,
  parseExtraHost,
  parseResolvConf,
  resolvConf,
} from './files.ts';

const localhost = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::\tip6-localnet',
  'ff00::\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];
const request = {
  hostname: 'web',
  domainname: '',
  addresses: ['172.17.0.2'],
  extraHosts: [],
  hostGateway: '',
};

describe('hosts', () => {
  test('has localhost and the container itself', () => {
    expect(hostsFile(request)).toBe(`${[...localhost, '172.17.0.2\tweb'].join('\n')}\n`);
  });

  test('names the domain first, and the short name of a dotted one second', () => {
    expect(hostsFile({ ...request, domainname: 'lan' })).toEndWith('172.17.0.2\tweb.lan web\n');
    expect(hostsFile({ ...request, hostname: 'web.lan' })).toEndWith('172.17.0.2\tweb.lan web\n');
  });

  test('has extra hosts before the own line, and the gateway for host-gateway', () => {
    const extraHosts = ['db:10.0.0.5', 'six:fd00::1', 'host.docker.internal:host-gateway'];
    const text = hostsFile({ ...request, extraHosts, hostGateway: '172.17.0.1' });
    expect(text.split('\n').slice(6)).toEqual([
      '10.0.0.5\tdb',
      'fd00::1\tsix',
      '172.17.0.1\thost.docker.internal',
      '172.17.0.2\tweb',
      '',
    ]);
  });

  test('has no own line without a network', () => {
    expect(hostsFile({ ...request, addresses: [] })).toBe(`${localhost.join('\n')}\n`);
  });

  test("in the host's namespace is the host's own and the extra ones", () => {
    expect(hostsFileOfHost('127.0.0.1 localhost', ['db:10.0.0.5'], '')).toBe(
      '127.0.0.1 localhost\n10.0.0.5\tdb\n',
    );
  });

  test('refuses bad extra hosts in Docker’s words', () => {
    expect(() => parseExtraHost('noaddress')).toThrow('bad format for add-host: "noaddress"');
    expect(() => parseExtraHost('db:999.1.1.1')).toThrow('invalid IP address in add-host: "999.1.1.1"');
    expect(() => hostsFile({ ...request, extraHosts: ['x:host-gateway'] })).toThrow('host-gateway');
    expect(parseExtraHost('six:[fd00::1]')).toEqual({ name: 'six', address: 'fd00::1' });
  });
});

test('hostname', () => {
  expect(hostnameFile('web')).toBe('web\n');
});

describe('resolv.conf', () => {
  const host = parseResolvConf(
    '# x\ndomain old\nnameserver 10.0.0.53\nnameserver ::1\nnameserver fd00::53\nsearch a.lan b.lan\noptions ndots:2 rotate\n',
  );
  const wish = {
    host,
    dns: [],
    dnsSearch: [],
    dnsOptions: [],
    ipv6: false,
    hostNetwork: false,
    ownResolver: false,
  };

  test('keeps what a container can reach', () => {
    expect(resolvConf(wish)).toBe('nameserver 10.0.0.53\nsearch a.lan b.lan\noptions ndots:2 rotate\n');
    expect(resolvConf({ ...wish, ipv6: true })).toStartWith(
      'nameserver 10.0.0.53\nnameserver fd00::53\nsearch',
    );
    expect(resolvConf({ ...wish, hostNetwork: true })).toContain('nameserver ::1\n');
  });

  test('flags replace their part only', () => {
    expect(resolvConf({ ...wish, dns: ['1.2.3.4'], dnsSearch: ['.'] })).toBe(
      'nameserver 1.2.3.4\noptions ndots:2 rotate\n',
    );
    expect(resolvConf({ ...wish, dnsOptions: ['timeout:1'] })).toEndWith('options timeout:1\n');
  });

  test('a resolver of its own asks the others, and names without dots first', () => {
    expect(resolvConf({ ...wish, ownResolver: true, dns: ['1.2.3.4'] })).toBe(
      'nameserver 127.0.0.11\nsearch a.lan b.lan\noptions ndots:2 rotate\n',
    );
    expect(resolvConf({ ...wish, ownResolver: true, dnsOptions: ['rotate'] })).toEndWith(
      'options rotate ndots:0\n',
    );
  });

  test('falls back only when no server is left', () => {
    const local = parseResolvConf('nameserver 127.0.0.1\n');
    expect(resolvConf({ ...wish, host: local })).toBe('nameserver 8.8.8.8\nnameserver 8.8.4.4\n');
  });

  test('looks behind systemd-resolved', () => {
    const files: Record<string, string> = {
      '/etc/resolv.conf': 'nameserver 127.0.0.53\nsearch lan\n',
      '/run/systemd/resolve/resolv.conf': 'nameserver 192.0.2.53\nsearch lan\n',
    };
    expect(hostResolver((path) => files[path]).nameservers).toEqual(['192.0.2.53']);
    delete files['/run/systemd/resolve/resolv.conf'];
    expect(hostResolver((path) => files[path]).nameservers).toEqual(['127.0.0.53']);
    expect(hostResolver(() => undefined).nameservers).toEqual([]);
  });
});
