import { defineCommand } from '../../command.ts';
import { HUB_KEY, hostOfServer, serverKey } from '../../credentials/servers.ts';
import { CommandFailure } from '../../failure.ts';
import { credentialStore } from '../../registry-auth.ts';

export const command = defineCommand({
  name: 'logout',
  summary: 'Log out from a registry',
  description: 'Forgets what login kept. Without a server: Docker Hub.',
  usage: '[SERVER]',
  args: { min: 0, max: 1 },
  completes: 'none',
  offline: true,
  flags: {},
  async run(context, _flags, args) {
    const server = serverKey(args[0] ?? '');
    const host = hostOfServer(server);
    // Older programs kept a registry under its URL.
    const keys =
      server === HUB_KEY ? [HUB_KEY] : [...new Set([server, host, `http://${host}`, `https://${host}`])];
    context.console.out(`Removing login credentials for ${server === HUB_KEY ? HUB_KEY : host}\n`);
    const store = credentialStore(context);
    const problems: string[] = [];
    for (const key of keys) {
      try {
        await store.erase(key);
      } catch (error) {
        if (error instanceof CommandFailure) throw error;
        problems.push(`${key}: ${(error as Error).message}`);
      }
    }
    if (problems.length === keys.length) {
      context.console.err(`WARNING: could not erase credentials:\n${problems.join('\n')}\n`);
    }
    return 0;
  },
});
