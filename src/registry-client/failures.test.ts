import { describe, expect, test } from 'bun:test';
import { TareError } from '../base/errors.ts';
import {
  connectionFailure,
  parseRegistryError,
  RetryableError,
  registryErrorText,
  retryAfterOf,
} from './failures.ts';
import { withRetries } from './retry.ts';

const URL_V2 = new URL('https://user:secret@registry.example:5000/v2/?token=secret');
const failing = (code: string) => connectionFailure('GET', URL_V2, Object.assign(new Error('raw'), { code }));

describe('connectionFailure', () => {
  const prefix = 'Get "https://registry.example:5000/v2/": ';
  test.each([
    ['ENOTFOUND', 'dial tcp: lookup registry.example: no such host', true],
    ['EAI_AGAIN', 'dial tcp: lookup registry.example: Temporary failure in name resolution', true],
    ['ECONNREFUSED', 'dial tcp registry.example:5000: connect: connection refused', true],
    ['ECONNRESET', 'read tcp registry.example:5000: connection reset by peer', true],
    ['EPROTO', 'http: server gave HTTP response to HTTPS client', false],
    [
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'tls: failed to verify certificate: x509: certificate signed by unknown authority',
      false,
    ],
    ['SOMETHING', 'raw', true],
  ])('%s', (code, words, retryable) => {
    const error = failing(code);
    expect(error.message).toBe(prefix + words);
    expect(error.kind).toBe('unavailable');
    expect(error instanceof RetryableError).toBe(retryable);
  });
});

test('error bodies of registries and token servers', () => {
  const text = (body: string) => registryErrorText(parseRegistryError(body), 418);
  expect(text('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')).toBe(
    'manifest unknown: manifest unknown',
  );
  expect(text('{"errors":[{"code":"DENIED"}]}')).toBe('denied: denied');
  expect(text('{"details":"incorrect username or password"}')).toBe(
    'unauthorized: incorrect username or password',
  );
  expect(text('')).toBe('received unexpected HTTP status: 418');
  for (const body of ['null', '[]', '{"errors":[]}', '{"errors":[1]}', '{"errors":"x"}', 'plain']) {
    expect(text(body)).toContain('418');
  }
});

test('Retry-After as seconds, as a date, and as nonsense', () => {
  const of = (value: string) => retryAfterOf(new Headers({ 'retry-after': value }), Date.UTC(2026, 0, 1));
  expect(of('7')).toBe(7000);
  expect(of('Thu, 01 Jan 2026 00:00:09 GMT')).toBe(9000);
  expect(of('Thu, 01 Jan 2020 00:00:00 GMT')).toBe(0);
  expect(of('soon')).toBeUndefined();
  expect(retryAfterOf(new Headers())).toBeUndefined();
});

describe('withRetries', () => {
  const policy = { maxAttempts: 3, retryDelayMs: 1, signal: new AbortController().signal };
  const count = async (error: Error, options: Partial<typeof policy> = {}) => {
    let tries = 0;
    const result = await withRetries({ ...policy, ...options }, async () => {
      tries++;
      throw error;
    }).catch((thrown: unknown) => thrown);
    return { tries, result };
  };

  test('repeats what may be repeated, a bounded number of times', async () => {
    const error = new RetryableError('unavailable', 'down');
    expect(await count(error)).toEqual({ tries: 3, result: error });
  });

  test('does not repeat other errors, nor wait for an hour', async () => {
    expect((await count(new TareError('corrupt', 'bad'))).tries).toBe(1);
    expect((await count(new RetryableError('unavailable', 'later', { retryAfterMs: 3_600_000 }))).tries).toBe(
      1,
    );
  });

  test('an abort ends the wait', async () => {
    const controller = new AbortController();
    const running = count(new RetryableError('unavailable', 'down'), {
      retryDelayMs: 1_000_000,
      signal: controller.signal,
    });
    setTimeout(() => controller.abort(), 5);
    const { tries, result } = await running;
    expect(tries).toBe(1);
    expect((result as TareError).kind).toBe('cancelled');
  });
});
