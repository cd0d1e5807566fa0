import type { RegistryServer } from '../wire/registry-settings.ts';
import type { EngineClient } from './client/client.ts';
import type { Console } from './console.ts';

/** What a command gets from the dispatcher. */
export interface CommandContext {
  readonly client: EngineClient;
  readonly console: Console;
  /** The command's full name as called: `tare ps`, `tare container ls`. */
  readonly title: string;
  /** The folder of the client's configuration: `~/.docker`. */
  readonly configDir: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Loads the registry server, where the program has one. */
  readonly registryServer: (() => Promise<RegistryServer>) | undefined;
}
