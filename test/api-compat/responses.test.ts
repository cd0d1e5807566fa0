import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { fakeContainer } from '../support/api/fake-containers.ts';
import { Harness } from '../support/api/harness.ts';
import { type Schema, SchemaChecker } from './schema-check.ts';

/**
 * Every JSON answer against the OpenAPI description of Docker's Engine API. The description is no part of this
 * repository: TARE_ENGINE_API_DESCRIPTION names its file (YAML). Without it, these tests are skipped.
 */
const file = process.env.TARE_ENGINE_API_DESCRIPTION;

interface Description {
  readonly definitions: Readonly<Record<string, Schema>>;
  readonly paths: Readonly<
    Record<string, Record<string, { responses: Record<string, { schema?: Schema }> }>>
  >;
}

const AMD64 = encodeURIComponent('{"os":"linux","architecture":"amd64"}');
const ANY = encodeURIComponent('{"label":["a=b"]}');

/** The description requires a field that it does not describe and Docker does not send (it is `Size.Unpacked`). */
const MISTAKE = /\.ImageData\.UnpackedSize: missing$/;

const REQUESTS: ReadonlyArray<readonly [string, string, string, unknown?]> = [
  ['GET', '/containers/json', '/containers/json?all=1&size=1'],
  ['POST', '/containers/create', '/containers/create', { Image: 'nginx' }],
  ['GET', '/containers/{id}/json', '/containers/web/json?size=1'],
  ['GET', '/containers/{id}/top', '/containers/web/top'],
  ['GET', '/containers/{id}/changes', '/containers/web/changes'],
  ['POST', '/containers/{id}/update', '/containers/web/update', { Memory: 1 }],
  ['POST', '/containers/prune', '/containers/prune'],
  ['POST', '/containers/{id}/exec', '/containers/web/exec', { Cmd: ['sh'] }],
  ['GET', '/exec/{id}/json', '/exec/e1/json'],
  ['GET', '/images/json', `/images/json?all=1&digests=1&shared-size=1&manifests=1&filters=${ANY}`],
  ['GET', '/images/{name}/json', '/images/nginx/json?manifests=1'],
  ['GET', '/images/{name}/history', `/images/nginx/history?platform=${AMD64}`],
  ['DELETE', '/images/{name}', `/images/nginx?force=1&noprune=1&platforms=${AMD64}`],
  ['POST', '/images/prune', `/images/prune?filters=${ANY}`],
  ['POST', '/commit', '/commit?container=web'],
  ['GET', '/networks', '/networks'],
  ['GET', '/networks/{id}', '/networks/bridge'],
  ['POST', '/networks/create', '/networks/create', { Name: 'n' }],
  ['POST', '/networks/prune', '/networks/prune'],
  ['POST', '/volumes/create', '/volumes/create', { Name: 'data' }],
  ['GET', '/volumes', '/volumes'],
  ['GET', '/volumes/{name}', '/volumes/data'],
  ['POST', '/volumes/prune', '/volumes/prune'],
  ['GET', '/info', '/info'],
  ['GET', '/version', '/version'],
  ['GET', '/system/df', '/system/df'],
  ['GET', '/plugins', '/plugins'],
  ['POST', '/auth', '/auth', { username: 'me', password: 'x' }],
  ['GET', '/images/search', '/images/search?term=nginx'],
];

describe.skipIf(file === undefined)('answers against the API description', () => {
  const harness = new Harness();
  let description: Description;

  beforeAll(async () => {
    description = Bun.YAML.parse(readFileSync(file ?? '', 'utf8')) as Description;
    harness.engine.containers.items = [
      fakeContainer({
        Image: 'nginx',
        ExposedPorts: { '80/tcp': {} },
        Healthcheck: { Test: ['CMD', 'x'] },
        HostConfig: {
          LogConfig: { Type: 'json-file' },
          CgroupnsMode: 'private',
          Mounts: [{ Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 1 } }],
          Ulimits: [{ Name: 'nofile', Soft: 1, Hard: 2 }],
          Devices: [{ PathOnHost: '/dev/null', PathInContainer: '/dev/x', CgroupPermissions: 'r' }],
        },
      }),
    ];
    const descriptor = (digit: string) => ({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: `sha256:${digit.repeat(64)}`,
      size: 3,
    });
    const platform = { os: 'linux', architecture: 'amd64', variant: 'v2' };
    harness.engine.images.manifest = {
      descriptor: descriptor('1'),
      manifests: [
        { descriptor: descriptor('2'), kind: 'image', platform, contentSize: 20 },
        { descriptor: descriptor('3'), kind: 'attestation', attests: descriptor('2').digest, contentSize: 0 },
        { descriptor: descriptor('4'), kind: 'unknown', contentSize: 0 },
      ],
    };
    await harness.start();
  });
  afterAll(() => harness.stop());

  for (const [method, pattern, path, body] of REQUESTS) {
    test(`${method} ${pattern}`, async () => {
      const answer = await harness.call(method, `/v1.51${path}`, body);
      expect(answer.status).toBeLessThan(300);
      const responses = description.paths[pattern]?.[method.toLowerCase()]?.responses;
      const schema = responses?.[String(answer.status)]?.schema;
      expect(schema).toBeDefined();
      const checker = new SchemaChecker(description.definitions);
      const differences = checker.check(JSON.parse(answer.body), schema ?? {});
      expect(differences.filter((line) => !MISTAKE.test(line))).toEqual([]);
    });
  }
});

describe('the checker itself', () => {
  const checker = new SchemaChecker({ Name: { type: 'string' } });

  test('sees each kind of difference', () => {
    const schema: Schema = {
      type: 'object',
      required: ['a', 'b'],
      properties: {
        a: { type: 'integer' },
        c: { type: 'array', items: { $ref: '#/definitions/Name' } },
        d: { allOf: [{ $ref: '#/definitions/Name' }], enum: ['x'] },
      },
    };
    expect(checker.check({ a: 1, b: 2, c: ['x', null], d: 'x' }, schema)).toEqual([]);
    expect(checker.check({ a: 1.5, c: [1], d: 'y' }, schema)).toEqual([
      '$.b: missing',
      '$.a: expected an integer',
      '$.c[0]: expected a string',
      '$.d: "y" is none of ["x"]',
    ]);
    expect(checker.check([], schema)).toEqual(['$: expected an object']);
  });
});
