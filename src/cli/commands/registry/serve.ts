import { resolve } from 'node:path';
import type { EngineRegistryMessage, EngineRegistryRequest } from '../../../wire/engine-registry.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { SERVE_FLAGS, settingsOf } from './flags.ts';

/** The flags that say how the engine's images are served. */
const ENGINE_FLAGS = ['engine', 'addr', 'tls-cert', 'tls-key', 'htpasswd', 'auth-config'];

export const command = defineCommand({
  name: 'serve',
  summary: 'Run a registry',
  description:
    'Serves images by the OCI distribution specification in the foreground, until SIGTERM: from a folder of its own, or with --engine those that the daemon has. SIGUSR1 collects garbage in the folder.',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: SERVE_FLAGS,
  async run({ client, console, registryServer }, flags) {
    const settings = settingsOf(flags);
    if (!flags.engine) {
      if (registryServer === undefined) throw new CommandFailure('this program has no registry server');
      return (await registryServer()).serveRegistry(settings);
    }
    for (const [name, { kind }] of Object.entries(SERVE_FLAGS)) {
      if (ENGINE_FLAGS.includes(name) || isInitial(flags[name as keyof typeof flags], kind.initial)) continue;
      throw new CommandFailure(`--${name} is for a folder and cannot be used with --engine`);
    }
    const { address, tlsCertificate, tlsKey, htpasswd, authConfig } = settings;
    const absolute = (path: string) => (path === '' ? '' : resolve(path));
    const json: EngineRegistryRequest = {
      address,
      tlsCertificate: absolute(tlsCertificate),
      tlsKey: absolute(tlsKey),
      htpasswd: absolute(htpasswd),
      authConfig: absolute(authConfig),
    };
    const messages = client.messages<EngineRegistryMessage>('POST', '/tare/registry', { json });
    for await (const { ready, line } of messages) {
      if (ready !== undefined) console.err(`the engine's images are served at ${ready.address}\n`);
      if (line !== undefined) console.err(line);
    }
    throw new CommandFailure('the daemon has ended');
  },
});

function isInitial(value: unknown, initial: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : value === initial;
}
