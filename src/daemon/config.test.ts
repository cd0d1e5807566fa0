import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from './config.ts';

const directory = mkdtempSync(join(tmpdir(), 'tare-config-'));
afterAll(() => rmSync(directory, { recursive: true }));

function file(content: unknown): string {
  const path = join(directory, `${Math.random()}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function config(...argv: string[]) {
  const command = readConfig(argv);
  if (command.action === 'help') throw new Error('help');
  return command.config;
}

describe('readConfig', () => {
  const none = file({});

  test('defaults', () => {
    expect(config('--config-file', none)).toMatchObject({
      hosts: ['unix:///run/tare/tare.sock'],
      dataRoot: '/var/lib/tare',
      execRoot: '/run/tare',
      pidfile: '/run/tare/tare.pid',
      bridge: 'tare0',
      logLevel: 'info',
    });
  });

  test('max-layer-size is a size or nothing', () => {
    expect(config('--config-file', none).maxLayerSize).toBeUndefined();
    expect(config('--config-file', file({ 'max-layer-size': '20g' })).maxLayerSize).toBe(20 * 1024 ** 3);
    expect(config('--config-file', none, '--max-layer-size', '512m').maxLayerSize).toBe(512 * 1024 ** 2);
    expect(() => config('--config-file', none, '--max-layer-size', 'much')).toThrow(/max-layer-size.*20g/);
  });

  test('flags and file each say their part', () => {
    const path = file({
      'data-root': '/d',
      hosts: ['unix:///a', 'fd://'],
      debug: true,
      'insecure-registries': ['r:5000'],
    });
    expect(config('--config-file', path, '--exec-root=/e', '-b', 'br9')).toMatchObject({
      dataRoot: '/d',
      hosts: ['unix:///a', 'fd://'],
      execRoot: '/e',
      bridge: 'br9',
      logLevel: 'debug',
      insecureRegistries: ['r:5000'],
    });
    expect(config('--config-file', none, '-H', 'unix:///x', '-H', '/y').hosts).toEqual([
      'unix:///x',
      'unix:///y',
    ]);
  });

  test.each([
    [['-H', 'tcp://0.0.0.0:2375'], 'tcp:// needs TLS'],
    [['-H', 'nope'], 'invalid host'],
    [['--what'], "Unknown option '--what'"],
    [['--log-level', 'loud'], 'invalid log level'],
    [['--data-root', 'rel'], 'must be an absolute path'],
    [['--bridge', 'a-name-that-is-too-long'], 'invalid bridge name'],
  ])('refuses %p', (argv, message) => {
    expect(() => config('--config-file', none, ...argv)).toThrow(message);
  });

  test.each([
    ['{', 'invalid JSON'],
    ['[]', 'it must hold a JSON object'],
    [{ what: 1 }, "the following directives don't match any configuration option: what"],
    [{ hosts: 'unix:///x' }, '"hosts" must be a list'],
    [{ debug: 'yes' }, '"debug" must be a boolean'],
  ])('refuses the file %p', (content, message) => {
    expect(() => config('--config-file', file(content))).toThrow(message);
  });

  test('the same directive in both is refused, a named file must exist', () => {
    const path = file({ 'data-root': '/d' });
    expect(() => config('--config-file', path, '--data-root', '/e')).toThrow(
      'both as a flag and in the configuration file: data-root',
    );
    expect(() => config('--config-file', join(directory, 'none.json'))).toThrow(
      'unable to configure the daemon',
    );
  });
});
