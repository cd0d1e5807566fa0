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

  test('keep-compressed is one of three words', () => {
    expect(config('--config-file', none).keepCompressed).toBe('auto');
    expect(config('--config-file', none).publish).toBe('open');
    expect(config('--config-file', file({ publish: 'filtered' })).publish).toBe('filtered');
    expect(() => config('--config-file', none, '--publish', 'closed')).toThrow('use open (everybody');
    expect(config('--config-file', file({ 'keep-compressed': 'never' })).keepCompressed).toBe('never');
    expect(() => config('--config-file', none, '--keep-compressed', 'some')).toThrow(/auto, always or never/);
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
      registries: { insecureRegistries: ['r:5000'], registryMirrors: [] },
    });
    expect(config('--config-file', none, '-H', 'unix:///x', '-H', '/y').hosts).toEqual([
      'unix:///x',
      'unix:///y',
    ]);
  });

  test('registries: dockerd’s keys, and mirrors of any upstream', () => {
    const path = file({
      'registry-mirrors': ['https://hub.test'],
      mirrors: { 'quay.io': ['http://cache:5000/quay'], '*': ['https://any.test/'], 'index.docker.io': [] },
      'insecure-registries': ['http://r:5000', '10.0.0.0/8'],
      'max-concurrent-downloads': 7,
      'max-concurrent-uploads': 2,
      'max-download-attempts': 1,
      proxies: { 'https-proxy': 'http://proxy:3128', 'no-proxy': 'a,b' },
      'registry-certs-dirs': ['/c'],
    });
    expect(config('--config-file', path, '--http-proxy', 'p:1').registries).toEqual({
      insecureRegistries: ['r:5000', '10.0.0.0/8'],
      registryMirrors: ['https://hub.test/'],
      mirrors: { 'quay.io': ['http://cache:5000/quay/'], '*': ['https://any.test/'], 'docker.io': [] },
      maxConcurrentDownloads: 7,
      maxConcurrentUploads: 2,
      maxDownloadAttempts: 1,
      proxies: { http: 'p:1', https: 'http://proxy:3128', no: 'a,b' },
      certificateFolders: ['/c'],
    });
    expect(config('--config-file', none, '--max-concurrent-downloads=4').registries).toMatchObject({
      maxConcurrentDownloads: 4,
      maxConcurrentUploads: 5,
      maxDownloadAttempts: 5,
      certificateFolders: ['/etc/tare/certs.d', '/etc/docker/certs.d'],
    });
  });

  test.each([
    [['--registry-mirror', 'mirror.test'], 'invalid mirror: "mirror.test" is not a valid URI'],
    [['--registry-mirror', 'ftp://m'], 'invalid mirror: unsupported scheme "ftp"'],
    [['--registry-mirror', 'https://me:pw@m'], 'username/password not allowed in URI "https://xxxxx@m"'],
    [['--registry-mirror', 'https://m?a=b'], 'query or fragment at end of the URI'],
    [['--insecure-registry', 'a/b'], 'insecure registry a/b is not valid'],
    [['--insecure-registry', 'ftp://a'], "insecure registry ftp://a should not contain '://'"],
    [['--max-concurrent-downloads', '0'], 'invalid max concurrent downloads: 0'],
    [['--max-concurrent-uploads', 'x'], 'invalid max concurrent uploads: NaN'],
    [['--max-download-attempts', '1.5'], 'invalid max download attempts: 1.5'],
    [['--http-proxy', 'http://me:pw@:x'], 'invalid http-proxy "http://xxxxx@:x"'],
  ])('refuses the registry option %p', (argv, message) => {
    expect(() => config('--config-file', none, ...argv)).toThrow(message);
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
    [{ mirrors: { a: 'https://m' } }, '"mirrors" must be a map of lists'],
    [{ mirrors: { 'a/b': [] } }, 'invalid key "a/b" of mirrors'],
    [{ proxies: { http: 'x' } }, '"proxies" has no "http"'],
    [{ 'max-concurrent-downloads': '3' }, '"max-concurrent-downloads" must be a number'],
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
