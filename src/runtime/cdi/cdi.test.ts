import { afterAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OciSpec } from '../spec/oci-spec.ts';
import { applyEdits } from './apply-edits.ts';
import { CdiRegistry } from './cdi-registry.ts';
import { parseCdiSpec } from './cdi-spec.ts';

const root = mkdtempSync(join(tmpdir(), 'tare-cdi-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const file = (value: object) => ({
  cdiVersion: '0.6.0',
  kind: 'v.com/c',
  devices: [{ name: 'd' }],
  ...value,
});
const parse = (value: unknown) => parseCdiSpec(JSON.stringify(value), true);

test('a file of the least is taken', () => expect(parse(file({})).kind).toBe('v.com/c'));

test.each([
  [[], 'no object'],
  [file({ cdiVersion: '9' }), 'invalid version "9"'],
  [file({ kind: 'none' }), 'invalid kind "none"'],
  [file({ devices: [] }), 'no devices'],
  [file({ devices: [{ name: '-' }] }), 'invalid device name "-"'],
  [file({ devices: [{ name: 'a' }, { name: 'a' }] }), 'multiple devices named "a"'],
  [file({ containerEdits: { env: ['X'] } }), 'invalid environment variable'],
  [file({ containerEdits: { deviceNodes: [{}] } }), 'no path'],
  [file({ containerEdits: { deviceNodes: [{ path: '/a', permissions: 'x' }] } }), 'invalid permissions'],
  [file({ containerEdits: { mounts: [{ hostPath: '/a' }] } }), 'invalid mount'],
  [file({ containerEdits: { hooks: [{ hookName: 'late', path: '/a' }] } }), 'invalid hook name "late"'],
])('%j is refused', (value, words) => expect(() => parse(value)).toThrow(words));

test('a later directory wins; two files of one directory that name the same device give none', () => {
  const write = (path: string, value: object) => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), JSON.stringify(value));
  };
  const device = (name: string, value: string) => ({ name, containerEdits: { env: [`FROM=${value}`] } });
  write('low/a.json', file({ devices: [device('x', 'low'), device('y', 'low')] }));
  write('high/a.json', file({ devices: [device('x', 'high'), device('z', 'one')] }));
  write('high/b.json', file({ devices: [device('z', 'two')] }));
  write('high/c.json', { cdiVersion: '0.6.0' });
  const registry = new CdiRegistry(() => ['low', 'high', 'none'].map((name) => join(root, name)));
  expect(registry.list().devices).toEqual(['v.com/c=x', 'v.com/c=y']);
  expect(registry.list().faults[0]).toContain('high/c.json: invalid kind');
  expect(registry.edits(['v.com/c=x'])).toEqual([{ env: ['FROM=high'] }]);
  expect(() => registry.edits(['v.com/c=z', 'v.com/c=n'])).toThrow(
    'unresolvable CDI devices v.com/c=z, v.com/c=n',
  );
});

test('edits: variables replace, nodes get a rule and the user, mounts take the place of others', () => {
  const spec = {
    process: { user: { uid: 7, gid: 8, additionalGids: [1] }, env: ['A=1', 'B=2'] },
    mounts: [{ destination: '/m', source: '/old' }],
    linux: { devices: [{ type: 'c', path: '/dev/n' }], resources: { devices: [{ allow: false }] } },
  } as unknown as OciSpec;
  const edited = applyEdits(spec, [
    {
      env: ['A=3', 'C=4'],
      deviceNodes: [
        { path: '/dev/n', hostPath: '/dev/null' },
        { path: '/dev/p', type: 'p' },
      ],
      mounts: [{ hostPath: '/new', containerPath: '/m' }],
      additionalGids: [0, 1, 9],
    },
    { hooks: [{ hookName: 'poststop', path: '/h', timeout: 3 }] },
  ]);
  expect(edited.process.env).toEqual(['A=3', 'B=2', 'C=4']);
  expect(edited.process.user.additionalGids).toEqual([1, 9]);
  expect(edited.mounts).toEqual([{ destination: '/m', source: '/new', options: ['rbind', 'rprivate'] }]);
  expect(edited.linux.devices).toEqual([
    { type: 'c', path: '/dev/n', major: 1, minor: 3, fileMode: expect.any(Number), uid: 7, gid: 8 },
    { type: 'p', path: '/dev/p', uid: 7, gid: 8 },
  ]);
  expect(edited.linux.resources?.devices?.at(-1)).toEqual({
    allow: true,
    type: 'c',
    major: 1,
    minor: 3,
    access: 'rwm',
  });
  expect(edited.hooks).toEqual({ poststop: [{ path: '/h', timeout: 3 }] });
});
