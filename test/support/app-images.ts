import { appArchive } from '../../scripts/images/make-app-image.ts';
import type { AppName } from '../../scripts/images/recipes.ts';
import { startDaemon, type TestDaemon } from './daemon.ts';

/** Milliseconds; making an image installs packages. */
export const APP_PATIENCE = 900_000;

/**
 * Loads images of real services into a daemon that has no way out of its own: from the cache, where what is missing
 * is made by another daemon on the machine's own network first.
 */
export async function loadApps(daemon: TestDaemon, ...names: AppName[]): Promise<void> {
  let maker: TestDaemon | undefined;
  try {
    for (const name of names) {
      const archive = await appArchive(name, async (args) => {
        maker ??= await startDaemon({ bare: true });
        return maker.ok('tare', args, { timeout: APP_PATIENCE });
      });
      await daemon.ok('tare', ['load', '-i', archive], { timeout: APP_PATIENCE });
    }
  } finally {
    await maker?.stop();
  }
}
