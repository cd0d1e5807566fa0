import { describe, expect, test } from 'bun:test';
import type { Container } from '../model.ts';
import { detailsOf, logAttributes } from './log-attributes.ts';

function container(type: string, config: Record<string, string>): Container {
  return {
    id: 'abcdef0123456789'.repeat(4),
    name: 'web',
    imageId: 'sha256:0123456789abcdef',
    createdAt: 0,
    config: {
      image: 'busybox',
      env: ['ONE=1', 'TWO=a=b', 'UNSET'],
      labels: { role: 'front', 'com.example.x': 'y' },
      entrypoint: ['sh'],
      cmd: ['-c', 'true'],
    },
    hostConfig: { logConfig: { type, config } },
  } as unknown as Container;
}

const tagOf = (template: string): string => logAttributes(container('json-file', { tag: template })).tag;

describe('log attributes', () => {
  test('a tag is a template over the container', () => {
    expect(tagOf('{{.ID}} {{.Name}} {{.ImageName}}')).toBe('abcdef012345 web busybox');
    expect(tagOf('{{.DaemonName}}/{{.FullID}}')).toBe(`docker/${'abcdef0123456789'.repeat(4)}`);
    expect(tagOf('{{.ImageID}} {{.ImageFullID}}')).toBe('sha256:01234 sha256:0123456789abcdef');
    expect(tagOf('{{upper .Name}}: {{.Command}}')).toBe('WEB: sh -c true');
  });

  test('without one, drivers that send the log away have the short id', () => {
    expect(logAttributes(container('syslog', {})).tag).toBe('abcdef012345');
    expect(logAttributes(container('json-file', {})).tag).toBe('');
  });

  test('a template or pattern that is none is refused in words of dockerd', () => {
    expect(() => tagOf('{{.Foo}}')).toThrow(
      new Error(
        `template: log-tag:1:2: executing "log-tag" at <.Foo>: can't evaluate field Foo in type *logger.Info`,
      ),
    );
    expect(() => tagOf('{{.Foo')).toThrow(new Error('template: log-tag:1: unclosed action'));
    expect(() => logAttributes(container('json-file', { 'env-regex': '(' }))).toThrow(
      /^error parsing regexp: /,
    );
  });

  test('labels and variables by name and by pattern', () => {
    const { extra } = logAttributes(
      container('json-file', {
        labels: 'role,none',
        'labels-regex': '^com\\.',
        env: 'ONE',
        'env-regex': '^TW',
      }),
    );
    expect(extra).toEqual({ role: 'front', 'com.example.x': 'y', ONE: '1', TWO: 'a=b' });
  });

  test('details show a tag that was asked for', () => {
    expect(detailsOf(container('json-file', { env: 'ONE', tag: '{{.Name}}' }))).toEqual({
      ONE: '1',
      tag: 'web',
    });
    expect(detailsOf(container('syslog', { env: 'ONE' }))).toEqual({ ONE: '1' });
  });
});
