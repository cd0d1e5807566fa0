import { describe, expect, test } from 'bun:test';
import { parseBind } from './bind-spec.ts';

describe('parseBind', () => {
  test('paths, names, anonymous', () => {
    expect(parseBind('/a:/b:ro')).toMatchObject({ source: '/a', destination: '/b', readWrite: false });
    expect(parseBind('data:/b/')).toMatchObject({ source: 'data', destination: '/b', readWrite: true });
    expect(parseBind('/b')).toMatchObject({ source: '', destination: '/b' });
    expect(parseBind('/a/../c:/b:rslave,z')).toMatchObject({ source: '/c', propagation: 'rslave' });
    expect(parseBind('data:/b:nocopy').noCopy).toBe(true);
  });

  test.each([
    ['', "invalid volume specification: ''"],
    [':/b', "invalid volume specification: ':/b'"],
    ['/a:', "invalid volume specification: '/a:'"],
    ['/a:b', 'mount path must be absolute'],
    ['/a:/', "destination can't be '/'"],
    ['/a:/b:ro,rw', 'invalid mode: ro,rw'],
    ['/a:/b:what', 'invalid mode: what'],
    ['/a:/b:nocopy', 'invalid mode: nocopy'],
    ['a:b:c:d', 'invalid volume specification'],
    ['./rel:/b', 'includes invalid characters for a local volume name'],
  ])('refuses %p', (spec, message) => {
    expect(() => parseBind(spec)).toThrow(message);
  });
});
