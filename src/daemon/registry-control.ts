import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import { REGISTRY_CONTROL_SOCKET, type RegistryCollection } from '../wire/registry-settings.ts';

export interface RegistryControls {
  readonly collect: () => Promise<RegistryCollection>;
}

/**
 * A socket in the registry's root through which `tare registry gc` speaks to the running server. Who may enter the
 * root may use it. Returns how to close it. The root's lock is held, so a socket file that is there is a dead one.
 */
export function serveControl(root: string, controls: RegistryControls): () => Promise<void> {
  const path = join(root, REGISTRY_CONTROL_SOCKET);
  rmSync(path, { force: true });
  const server = Bun.serve({
    unix: path,
    async fetch(request, self): Promise<Response> {
      // A round over many blobs takes its time.
      self.timeout(request, 0);
      if (request.method !== 'POST' || new URL(request.url).pathname !== '/gc') {
        return new Response('unknown request', { status: 404 });
      }
      try {
        return Response.json(await controls.collect());
      } catch (error) {
        return new Response(messageOf(error), { status: 500 });
      }
    },
  });
  return async () => {
    await server.stop(true);
    rmSync(path, { force: true });
  };
}
