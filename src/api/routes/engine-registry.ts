import { TareError } from '../../base/errors.ts';
import type { EngineRegistryMessage, EngineRegistryRequest } from '../../wire/engine-registry.ts';
import { readJson } from '../body.ts';
import { string } from '../codec/codec.ts';
import { field, object } from '../codec/object.ts';
import type { Exchange } from '../exchange.ts';
import { BatchedAnswer } from '../line-stream.ts';
import type { Route } from '../router.ts';

/** Serves the engine's images at an address. */
export interface ImageRegistry {
  /** Throws `invalid` for wrong options, `conflict` for an address in use. `write` gets its log, line by line. */
  serve(
    options: EngineRegistryRequest,
    write: (line: string) => void,
  ): { readonly address: string; close(): Promise<void> };
}

/** `POST /tare/registry`: Tare's own; a registry of the images here, as long as the client stays. */
export function engineRegistryRoutes({ imageRegistry }: { readonly imageRegistry: ImageRegistry }): Route[] {
  return [{ method: 'POST', pattern: '/tare/registry', handle: (x) => serve(imageRegistry, x) }];
}

async function serve(registry: ImageRegistry, x: Exchange): Promise<void> {
  const options = await readJson(x, requestBody);
  if (options.address === '') throw new TareError('invalid', 'address is missing: give HOST:PORT');
  const { signal } = x;
  let answer: BatchedAnswer | undefined;
  const send = (message: EngineRegistryMessage) => {
    // A client that does not read loses lines, not the registry.
    if (answer?.stalled === false) void answer.add(`${JSON.stringify(message)}\n`);
  };
  const { address, close } = registry.serve(options, (line) => send({ line }));
  try {
    x.begin(200, { 'Content-Type': 'application/json' });
    answer = new BatchedAnswer(x);
    send({ ready: { address } });
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
  } finally {
    await close();
  }
  x.response.end();
}

const requestBody = object<EngineRegistryRequest>('EngineRegistryRequest', {
  address: field('address', string),
  tlsCertificate: field('tlsCertificate', string),
  tlsKey: field('tlsKey', string),
  htpasswd: field('htpasswd', string),
  authConfig: field('authConfig', string),
});
