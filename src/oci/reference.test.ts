import { describe, expect, test } from 'bun:test';
import {
  canonicalString,
  familiarName,
  familiarString,
  isImageId,
  isTag,
  manifestSelector,
  parseReference,
  sameReference,
  sameRepository,
  tryParseReference,
  withDefaultTag,
  withDigest,
  withoutTag,
  withTag,
} from './reference.ts';

const HEX = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const DIGEST = `sha256:${HEX}`;

describe('parseReference normalises', () => {
  test.each([
    ['nginx', 'docker.io/library/nginx', 'nginx'],
    ['nginx:1.25', 'docker.io/library/nginx:1.25', 'nginx:1.25'],
    ['library/nginx', 'docker.io/library/nginx', 'nginx'],
    ['docker.io/nginx', 'docker.io/library/nginx', 'nginx'],
    ['docker.io/library/nginx:x', 'docker.io/library/nginx:x', 'nginx:x'],
    ['index.docker.io/nginx', 'docker.io/library/nginx', 'nginx'],
    ['index.docker.io/library/nginx', 'docker.io/library/nginx', 'nginx'],
    ['index.docker.io/user/app:v1', 'docker.io/user/app:v1', 'user/app:v1'],
    ['user/app', 'docker.io/user/app', 'user/app'],
    ['a/b/c', 'docker.io/a/b/c', 'a/b/c'],
    ['docker.io', 'docker.io/library/docker.io', 'docker.io'],
    ['localhost', 'docker.io/library/localhost', 'localhost'],
    ['localhost/app', 'localhost/app', 'localhost/app'],
    ['localhost:5000/app', 'localhost:5000/app', 'localhost:5000/app'],
    ['127.0.0.1:5000/a/b:t', '127.0.0.1:5000/a/b:t', '127.0.0.1:5000/a/b:t'],
    ['[::1]:5000/app', '[::1]:5000/app', '[::1]:5000/app'],
    ['[fd00:1::2]/app:t', '[fd00:1::2]/app:t', '[fd00:1::2]/app:t'],
    ['ghcr.io/a/b', 'ghcr.io/a/b', 'ghcr.io/a/b'],
    ['host:80/nginx', 'host:80/nginx', 'host:80/nginx'],
    ['HOST/nginx', 'HOST/nginx', 'HOST/nginx'],
    [
      'my-reg.example:443/x__y/z-w.v:T_1.2-3',
      'my-reg.example:443/x__y/z-w.v:T_1.2-3',
      'my-reg.example:443/x__y/z-w.v:T_1.2-3',
    ],
    ['a--b', 'docker.io/library/a--b', 'a--b'],
    ['nginx:80', 'docker.io/library/nginx:80', 'nginx:80'],
    [`nginx@${DIGEST}`, `docker.io/library/nginx@${DIGEST}`, `nginx@${DIGEST}`],
    [`nginx:1@${DIGEST}`, `docker.io/library/nginx:1@${DIGEST}`, `nginx:1@${DIGEST}`],
    [`localhost:5000/app@${DIGEST}`, `localhost:5000/app@${DIGEST}`, `localhost:5000/app@${DIGEST}`],
    ['docker.io/library/a/b', 'docker.io/library/a/b', 'library/a/b'],
    [`x/${HEX}`, `docker.io/x/${HEX}`, `x/${HEX}`],
    [HEX.slice(1), `docker.io/library/${HEX.slice(1)}`, HEX.slice(1)],
    ['a'.repeat(200), `docker.io/library/${'a'.repeat(200)}`, 'a'.repeat(200)],
  ])('%s', (text, canonical, familiar) => {
    const ref = parseReference(text);
    expect(canonicalString(ref)).toBe(canonical);
    expect(familiarString(ref)).toBe(familiar);
  });
});

describe('parseReference refuses', () => {
  const format = 'invalid reference format';
  test.each([
    ['', format],
    [' ', format],
    [':', format],
    [':tag', format],
    ['nginx:', format],
    ['nginx@', format],
    ['nginx@sha256:abc', format],
    ['nginx:a:b', format],
    ['nginx:-a', format],
    ['nginx:.a', format],
    [`nginx:${'a'.repeat(129)}`, format],
    ['-nginx', format],
    ['nginx-', format],
    ['nginx_', format],
    ['a..b', format],
    ['a___b', format],
    ['a._b', format],
    ['/nginx', format],
    ['nginx/', format],
    ['a//b', format],
    ['../etc', format],
    ['a/../b', format],
    ['localhost:x/a', format],
    ['localhost:/a', format],
    ['https://docker.io/nginx', format],
    ['nginx latest', format],
    ['nginx\n', format],
    ['nginx:latest\n', format],
    ['-host.x/a', format],
    ['host_x.y/a', format],
    ['ngïnx', format],
    [`nginx@${DIGEST}x`, format],
    ['a'.repeat(5000), format],
    ['ABC', `${format}: repository name (library/ABC) must be lowercase`],
    ['ABC:latest', `${format}: repository name (library/ABC) must be lowercase`],
    ['user/App', `${format}: repository name (user/App) must be lowercase`],
    ['localhost/App:x', `${format}: repository name (App) must be lowercase`],
    ['HOST/Nginx', `${format}: repository name (Nginx) must be lowercase`],
    [HEX, `invalid repository name (${HEX}), cannot specify 64-byte hexadecimal strings`],
    [`x.y/${'a'.repeat(256)}`, 'repository name must not be more than 255 characters'],
    ['a'.repeat(248), 'repository name must not be more than 255 characters'],
    [`nginx@md5:${HEX}`, 'unsupported digest algorithm'],
    [`nginx@sha256:${HEX.slice(2)}`, 'invalid checksum digest length'],
    [`nginx@sha256:${HEX.toUpperCase()}`, 'invalid checksum digest format'],
  ])('%p', (text, message) => {
    let thrown = '';
    try {
      parseReference(text);
    } catch (error) {
      thrown = error instanceof Error ? error.message : '';
    }
    expect(thrown).toBe(message);
    expect(tryParseReference(text)).toBeUndefined();
  });
});

/**
 * The names that Docker's own reference package is tested with (github.com/distribution/reference, its tests of
 * normalisation): each has to be taken or refused by us as by Docker.
 */
describe('names as Docker takes and refuses them', () => {
  const song = 'thisisthesongthatneverendsitgoesonandonandonthisisthesongthatnev';
  const sixtyFour = '1a3f5e7d9c1b3a5f7e9d1c3b5a7f9e1d3c5b7a9f1e3d5d7c9b1a3f5e7d9c1b3a';
  test.each([
    ['docker/docker', 'docker.io/docker/docker'],
    ['library/debian', 'docker.io/library/debian'],
    ['debian', 'docker.io/library/debian'],
    ['docker.io/docker/docker', 'docker.io/docker/docker'],
    ['docker.io/library/debian', 'docker.io/library/debian'],
    ['docker.io/debian', 'docker.io/library/debian'],
    ['index.docker.io/docker/docker', 'docker.io/docker/docker'],
    ['index.docker.io/library/debian', 'docker.io/library/debian'],
    ['index.docker.io/debian', 'docker.io/library/debian'],
    ['127.0.0.1:5000/docker/docker', '127.0.0.1:5000/docker/docker'],
    ['127.0.0.1:5000/library/debian', '127.0.0.1:5000/library/debian'],
    ['127.0.0.1:5000/debian', '127.0.0.1:5000/debian'],
    ['192.168.0.1', 'docker.io/library/192.168.0.1'],
    ['192.168.0.1:80', 'docker.io/library/192.168.0.1:80'],
    ['192.168.0.1:8/debian', '192.168.0.1:8/debian'],
    ['192.168.0.2:25000/debian', '192.168.0.2:25000/debian'],
    ['[fc00::1]:5000/docker', '[fc00::1]:5000/docker'],
    ['[fc00::1]:5000/docker/docker', '[fc00::1]:5000/docker/docker'],
    ['[fc00:1:2:3:4:5:6:7]:5000/library/debian', '[fc00:1:2:3:4:5:6:7]:5000/library/debian'],
    // What would be an id is a name when a host stands before it.
    [`docker.io/${sixtyFour}`, `docker.io/library/${sixtyFour}`],
    // Capitals make the first part a host.
    ['Docker/docker', 'Docker/docker'],
    ['DOCKER/docker', 'DOCKER/docker'],
    [song, `docker.io/library/${song}`],
    ['docker-rules/docker', 'docker.io/docker-rules/docker'],
    ['docker---rules/docker', 'docker.io/docker---rules/docker'],
    ['doc/docker', 'docker.io/doc/docker'],
    ['d/docker', 'docker.io/d/docker'],
    ['jess/t', 'docker.io/jess/t'],
    ['dock__er/docker', 'docker.io/dock__er/docker'],
    ['fooo/bar', 'docker.io/fooo/bar'],
    ['nonlibrary/ubuntu', 'docker.io/nonlibrary/ubuntu'],
    ['127.0.0.1:8000/private/moonbase', '127.0.0.1:8000/private/moonbase'],
    ['127.0.0.1:8000/privatebase', '127.0.0.1:8000/privatebase'],
    ['localhost:8000/private/moonbase', 'localhost:8000/private/moonbase'],
    ['localhost/privatebase', 'localhost/privatebase'],
    ['example.com/private/moonbase', 'example.com/private/moonbase'],
    ['example.com:8000/privatebase', 'example.com:8000/privatebase'],
    ['index.docker.io/public/moonbase', 'docker.io/public/moonbase'],
    ['ubuntu-12.04-base', 'docker.io/library/ubuntu-12.04-base'],
    ['index.docker.io/ubuntu-12.04-base', 'docker.io/library/ubuntu-12.04-base'],
    ['foo/foo_bar.com:8080', 'docker.io/foo/foo_bar.com:8080'],
    ['sub-dom1.foo.com/bar/baz/quux:some-long-tag', 'sub-dom1.foo.com/bar/baz/quux:some-long-tag'],
    [
      'b.gcr.io/test.example.com/my-app:test.example.com',
      'b.gcr.io/test.example.com/my-app:test.example.com',
    ],
    ['xn--n3h.com/myimage:xn--n3h.com', 'xn--n3h.com/myimage:xn--n3h.com'],
    ['foo_bar.com:8080', 'docker.io/library/foo_bar.com:8080'],
  ])('%s', (text, canonical) => {
    expect(canonicalString(parseReference(text))).toBe(canonical);
  });

  test.each([
    'https://github.com/docker/docker',
    'docker/Docker',
    '-docker',
    '-docker/docker',
    '-docker.io/docker/docker',
    'docker///docker',
    'docker.io/docker/Docker',
    'docker.io/docker///docker',
    '[fc00::1]',
    '[fc00::1]:5000',
    'fc00::1:5000/debian',
    '[fe80::1%eth0]:5000/debian',
    '[2001:db8:3:4::192.0.2.33]:5000/debian',
    sixtyFour,
    'aa/asdf$$^/aa',
    'docker:',
    'dock..er/docker',
    'dock_..er/docker',
    'dock-.er/docker',
    'dock___er/docker',
    'docker/',
    '_docker/_docker',
    'docker_/docker',
    '____/____',
    'd.o.c.k.e.r./docker',
    'repo@sha256:ffffffffffffffffffffffffffffffffff',
    'validname@invaliddigest:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    'Uppercase:tag',
    'test:5000/Uppercase/lowercase:tag',
    `${'a/'.repeat(128)}a:tag`,
    'xn--7o8h.com/myimage:xn--7o8h.com@sha512:ffff',
  ])('not %s', (text) => {
    expect(tryParseReference(text)).toBeUndefined();
  });
});

test('the default tag is added only to a bare name', () => {
  expect(familiarString(withDefaultTag(parseReference('nginx')))).toBe('nginx:latest');
  expect(familiarString(withDefaultTag(parseReference('nginx:1')))).toBe('nginx:1');
  expect(familiarString(withDefaultTag(parseReference(`nginx@${DIGEST}`)))).toBe(`nginx@${DIGEST}`);
});

test('helpers replace and compare', () => {
  const both = parseReference(`nginx:1@${DIGEST}`);
  expect(familiarString(withTag(both, '2'))).toBe('nginx:2');
  expect(familiarString(withDigest(parseReference('nginx:1'), DIGEST))).toBe(`nginx@${DIGEST}`);
  expect(familiarString(withoutTag(both))).toBe('nginx');
  expect(() => withTag(both, 'a b')).toThrow('invalid tag format');
  expect(() => withDigest(both, 'sha256:1')).toThrow('invalid checksum digest length');
  expect(manifestSelector(both)).toBe(DIGEST);
  expect(manifestSelector(parseReference('nginx:1'))).toBe('1');
  expect(manifestSelector(parseReference('nginx'))).toBe('latest');
  expect(sameReference(parseReference('nginx:1'), parseReference('docker.io/library/nginx:1'))).toBe(true);
  expect(sameReference(parseReference('nginx:1'), parseReference('nginx:2'))).toBe(false);
  expect(sameRepository(parseReference('nginx:1'), parseReference('index.docker.io/nginx:2'))).toBe(true);
  expect(sameRepository(parseReference('nginx'), parseReference('x.y/library/nginx'))).toBe(false);
  expect(isTag('v1.0-rc_1')).toBe(true);
  expect(isTag('')).toBe(false);
  expect(isImageId(HEX)).toBe(true);
  expect(isImageId(DIGEST)).toBe(false);
});

/** A small generator with a fixed seed, so that a failure can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test('what is printed parses to the same reference', () => {
  const next = random(7);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)] as T;
  for (let i = 0; i < 3000; i++) {
    const domain = pick([
      '',
      'docker.io/',
      'localhost/',
      'localhost:5000/',
      'a.b:1/',
      'HOST/',
      '[::1]:80/',
      'index.docker.io/',
    ]);
    const parts = Array.from({ length: 1 + Math.floor(next() * 3) }, () =>
      pick(['a', 'library', 'a-b', 'x__y', 'n.1', '0', 'docker.io', 'localhost']),
    );
    const text = domain + parts.join('/') + pick(['', ':t', ':1.2', ':_']) + pick(['', '', `@${DIGEST}`]);
    const ref = parseReference(text);
    expect(parseReference(canonicalString(ref))).toEqual(ref);
    // Docker has the same exception: a familiar name whose first part looks like a host reads as one.
    const first = familiarName(ref).split('/')[0] ?? '';
    if (ref.domain !== 'docker.io' || !['localhost', 'docker.io', 'n.1'].includes(first)) {
      expect(parseReference(familiarString(ref))).toEqual(ref);
    }
  }
});

test('no text makes the parser throw anything but an invalid error, or take long', () => {
  const next = random(99);
  const alphabet = 'aA0.:/@_-[]% \n\u0000é~sha256';
  for (let i = 0; i < 5000; i++) {
    const length = Math.floor(next() * 40);
    const text = Array.from({ length }, () => alphabet[Math.floor(next() * alphabet.length)]).join('');
    const ref = tryParseReference(text);
    if (ref !== undefined)
      expect(canonicalString(parseReference(canonicalString(ref)))).toBe(canonicalString(ref));
  }
  for (const nasty of [
    'a'.repeat(4000),
    'a-'.repeat(2000),
    'a.a-'.repeat(1000),
    `h.x/${'a/'.repeat(2000)}!`,
    '['.repeat(4000),
  ]) {
    expect(tryParseReference(`${nasty}!`)).toBeUndefined();
  }
});
