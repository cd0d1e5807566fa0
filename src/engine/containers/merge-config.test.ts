import { describe, expect, test } from 'bun:test';
import { mergeConfig, mergeEnv } from './merge-config.ts';
import type { ContainerConfig, HostConfig } from './model.ts';
import { publicationsOf } from './port-requests.ts';

const user: ContainerConfig = {
  hostname: '',
  domainname: '',
  user: '',
  attachStdin: false,
  attachStdout: true,
  attachStderr: true,
  tty: false,
  openStdin: false,
  stdinOnce: false,
  env: [],
  cmd: null,
  entrypoint: null,
  image: 'x',
  workingDir: '',
  labels: {},
  exposedPorts: {},
  volumes: {},
};
const image = {
  Cmd: ['c'],
  Entrypoint: ['e'],
  Env: ['PATH=/bin', 'A=1'],
  User: 'app',
  WorkingDir: '/w',
  Labels: { a: 'image', b: 'image' },
  StopSignal: 'SIGQUIT',
};

describe('mergeConfig', () => {
  test('takes everything from the image when the user says nothing', () => {
    expect(mergeConfig(user, image)).toMatchObject({
      cmd: ['c'],
      entrypoint: ['e'],
      user: 'app',
      workingDir: '/w',
      stopSignal: 'SIGQUIT',
    });
  });

  test('an own command keeps the entrypoint, an own entrypoint drops the command', () => {
    expect(mergeConfig({ ...user, cmd: ['x'] }, image)).toMatchObject({ cmd: ['x'], entrypoint: ['e'] });
    expect(mergeConfig({ ...user, entrypoint: ['x'] }, image)).toMatchObject({
      cmd: null,
      entrypoint: ['x'],
    });
    expect(mergeConfig({ ...user, entrypoint: [''], cmd: ['y'] }, image)).toMatchObject({
      cmd: ['y'],
      entrypoint: null,
    });
  });

  test('labels and environment: the user wins by key, a bare key keeps the image’s value out', () => {
    expect(mergeConfig({ ...user, labels: { b: 'user' } }, image).labels).toEqual({ a: 'image', b: 'user' });
    expect(mergeEnv(['A=1', 'B=2'], ['B=3', 'C=4'])).toEqual(['B=3', 'C=4', 'A=1']);
    expect(mergeEnv(['A=1', 'B=2'], ['A'])).toEqual(['A', 'B=2']);
  });
});

describe('publicationsOf', () => {
  const host = (part: Partial<HostConfig>): HostConfig =>
    ({ portBindings: {}, publishAllPorts: false, ...part }) as HostConfig;

  test('bindings, ranges and -P', () => {
    const config = { ...user, exposedPorts: { '80/tcp': {}, '53/udp': {} } };
    expect(
      publicationsOf(
        config,
        host({
          portBindings: { '80/tcp': [{ hostIp: '127.0.0.1', hostPort: '8000-8010' }] },
          publishAllPorts: true,
        }),
      ),
    ).toEqual([
      { protocol: 'tcp', containerPort: 80, hostIp: '127.0.0.1', hostPort: 8000, hostPortEnd: 8010 },
      { protocol: 'udp', containerPort: 53, hostIp: '', hostPort: 0, hostPortEnd: 0 },
    ]);
  });

  test.each(['80/what', 'x', '70000', '80/tcp/udp'])('refuses %p', (key) => {
    expect(() => publicationsOf(user, host({ portBindings: { [key]: [] } }))).toThrow(
      'invalid port specification',
    );
  });

  test('refuses bad host addresses and ports', () => {
    const bind = (hostIp: string, hostPort: string): (() => unknown) => {
      return () => publicationsOf(user, host({ portBindings: { '80/tcp': [{ hostIp, hostPort }] } }));
    };
    expect(bind('nope', '80')).toThrow('invalid IP address');
    expect(bind('', '99999')).toThrow('invalid port specification');
    expect(bind('', '10-5')).toThrow('invalid port specification');
  });
});
