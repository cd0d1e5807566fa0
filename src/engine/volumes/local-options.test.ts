import { describe, expect, test } from 'bun:test';
import {
  checkLocalOptions,
  hostToResolve,
  localMountOf,
  shownOptions,
  withAddress,
} from './local-options.ts';

const mount = (type: string, device: string, o: string) => localMountOf({ type, device, o })!;

describe('options of the local driver', () => {
  test('without a type there is no mount', () => {
    expect(localMountOf({})).toBeUndefined();
    expect(localMountOf({ size: '1g' })).toBeUndefined();
    expect(mount('tmpfs', 'tmpfs', 'size=1m,,ro')).toEqual({
      type: 'tmpfs',
      device: 'tmpfs',
      options: ['size=1m', 'ro'],
    });
  });

  test.each([
    ['nfs', ':/x', 'addr=server,rw', 'server'],
    ['nfs4', 'server:/x', 'addr=server', 'server'],
    ['nfs', ':/x', 'addr=10.0.0.1', undefined],
    ['nfs', ':/x', 'addr=fe80::1', undefined],
    ['nfs', ':/x', 'rw', undefined],
    ['cifs', '//files/share', 'username=u', 'files'],
    ['cifs', '//files/share', 'addr=10.0.0.1', undefined],
    ['ext4', '/dev/x', 'addr=server', undefined],
  ])('%s %s %s: looks up %p', (type, device, o, host) => {
    expect(hostToResolve(mount(type, device, o))).toBe(host);
  });

  test('an address takes the place of the name', () => {
    expect(withAddress(mount('nfs', ':/x', 'addr=server,rw'), '10.0.0.1').options).toEqual([
      'rw',
      'addr=10.0.0.1',
    ]);
  });

  test('passwords are not shown', () => {
    expect(shownOptions(['username=u', 'password=secret', 'pass=x'])).toBe(
      'username=u,password=********,pass=********',
    );
  });

  test.each([
    [{ size: 'much' }, "invalid size: 'much'"],
    [{ Type: 'tmpfs' }, 'invalid option: "Type"'],
    [{ type: 'tmpfs' }, 'missing required option: "device"'],
    [{ o: 'ro' }, 'missing required option: "device"'],
  ])('%j is refused', (options, words) => {
    expect(() => checkLocalOptions(options as Record<string, string>)).toThrow(words);
  });
});
