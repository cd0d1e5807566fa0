import { describe, expect, test } from 'bun:test';
import { TareError } from '../base/errors.ts';
import { digestOf } from './digest.ts';
import { IMAGE_CONFIG_LIMIT, parseImageConfig } from './parse-image-config.ts';

const encode = (value: unknown) =>
  new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const CONFIG = {
  os: 'linux',
  architecture: 'amd64',
  config: { Cmd: ['sh'], Env: ['A=b'], User: '', ExposedPorts: { '80/tcp': {} } },
  rootfs: { type: 'layers', diff_ids: [digestOf('a'), digestOf('b')] },
  history: [{ created_by: 'x' }],
};

test('a config comes back as it is', () => {
  expect(parseImageConfig(encode(CONFIG))).toEqual(CONFIG as never);
});

test('null and missing optional fields are fine, and no os means linux', () => {
  const parsed = parseImageConfig(
    encode({
      rootfs: { type: 'layers', diff_ids: null },
      config: null,
      history: null,
      architecture: 'amd64',
    }),
  );
  expect(parsed).toEqual({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } });
  expect(parseImageConfig(encode({ ...CONFIG, config: { Cmd: null, Labels: null } })).config?.Cmd).toBeNull();
});

describe('refuses', () => {
  test.each<[string, unknown, string]>([
    ['no JSON', '{', 'not JSON'],
    ['a list', [], 'not an object'],
    ['no rootfs', { ...CONFIG, rootfs: undefined }, 'rootfs is missing'],
    ['another rootfs type', { ...CONFIG, rootfs: { type: 'x', diff_ids: [] } }, 'rootfs.type'],
    ['a bad diff id', { ...CONFIG, rootfs: { type: 'layers', diff_ids: ['../x'] } }, 'diff_ids'],
    ['a bad platform', { ...CONFIG, os: 1 }, 'platform'],
    ['a bad Cmd', { ...CONFIG, config: { Cmd: 'sh' } }, 'config.Cmd is not a list of texts'],
    ['a bad Env', { ...CONFIG, config: { Env: [1] } }, 'config.Env is not a list of texts'],
    ['a bad User', { ...CONFIG, config: { User: 0 } }, 'config.User is not a text'],
    ['bad Labels', { ...CONFIG, config: { Labels: [] } }, 'config.Labels is not an object'],
    ['a bad history', { ...CONFIG, history: ['x'] }, 'history'],
    ['too large', ' '.repeat(IMAGE_CONFIG_LIMIT + 1), 'more than'],
  ])('%s', (_name, value, message) => {
    try {
      parseImageConfig(encode(value));
    } catch (error) {
      expect(error).toBeInstanceOf(TareError);
      expect((error as TareError).kind).toBe('corrupt');
      expect((error as TareError).message).toContain(message);
      return;
    }
    throw new Error('it was taken');
  });
});
