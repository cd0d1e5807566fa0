import { describe, expect, test } from 'bun:test';
import { hostConfigCodec } from '../../api/codec/host-config.ts';
import { isKind } from '../../base/errors.ts';
import { listOf, namedContexts, requestOf } from './attributes.ts';

const zero = hostConfigCodec.zero();
const of = (attributes: Record<string, string>) => requestOf(attributes, zero);

describe('what the attributes of a build mean', () => {
  test('arguments, labels, contexts by their prefixes', () => {
    const attributes = { 'build-arg:A': '1', 'build-arg:B': '', 'label:l': 'x=y', 'context:c': 'local:c' };
    expect(of(attributes)).toMatchObject({ args: { A: '1', B: '' }, labels: { l: 'x=y' } });
    expect(namedContexts(attributes)).toEqual({ c: 'local:c' });
  });

  test('limits, hosts, network', () => {
    const { hostConfig } = of({
      'add-hosts': 'a=1.2.3.4,b=::1',
      ulimit: 'nofile=10:20,core=0',
      'shm-size': '1024',
      'force-network-mode': 'none',
      'cgroup-parent': '/x',
    });
    expect(hostConfig).toMatchObject({
      extraHosts: ['a:1.2.3.4', 'b:::1'],
      networkMode: 'none',
      shmSize: 1024,
      resources: {
        cgroupParent: '/x',
        ulimits: [
          { name: 'nofile', soft: 10, hard: 20 },
          { name: 'core', soft: 0, hard: 0 },
        ],
      },
    });
    expect(of({}).hostConfig.networkMode).toBe('default');
    expect(of({ 'force-network-mode': 'sandbox' }).hostConfig.networkMode).toBe('default');
  });

  test('caches: images of registries, by the old attribute or the new one', () => {
    expect(of({ 'cache-from': 'a,b' }).cacheFrom).toEqual(['a', 'b']);
    const imports = [
      { Type: 'registry', Attrs: { ref: 'r/a' } },
      { Type: 'local', Attrs: { src: 'x' } },
    ];
    expect(of({ 'cache-from': 'r/a', 'cache-imports': JSON.stringify(imports) }).cacheFrom).toEqual(['r/a']);
    expect(of({ 'no-cache': '' }).noCache).toBe(true);
    expect(of({ 'no-cache': 'a,b' }).noCache).toEqual(['a', 'b']);
    expect(of({}).noCache).toBe(false);
    expect(of({ 'image-resolve-mode': 'pull' }).pull).toBe(true);
    expect(of({ 'build-arg:SOURCE_DATE_EPOCH': '12' }).sourceDateEpoch).toBe(12);
  });

  test.each([
    ['invalid', { 'shm-size': 'x' }],
    ['invalid', { ulimit: 'nofile' }],
    ['invalid', { 'cache-imports': '{' }],
    ['invalid', { 'build-arg:SOURCE_DATE_EPOCH': 'today' }],
    ['not-implemented', { platform: 'linux/amd64,linux/arm64' }],
  ] as const)('%s: %p', (kind, attributes) => {
    let thrown: unknown;
    try {
      of(attributes);
    } catch (error) {
      thrown = error;
    }
    expect(isKind(thrown, kind)).toBe(true);
  });

  test('lists are comma-separated values', () => {
    expect(listOf('a,"b,c","d""e",f')).toEqual(['a', 'b,c', 'd"e', 'f']);
    expect(listOf('')).toEqual([]);
  });
});
