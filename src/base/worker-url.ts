/** Where the files of a compiled program lie: all in one folder, whichever file was compiled from where. */
const COMPILED_ROOT = 'file:///$bunfs/root/';

/**
 * The address of a file to run in a Worker, found both in the sources and in the compiled program, where
 * `import.meta.url` of a module no longer says where the module was.
 * @param path from `src/`, such as `snapshots/apply/layer-worker.ts`; the name must end with `-worker.ts`,
 * which is how scripts/build.ts knows what to compile in
 */
export function workerUrl(path: string): URL {
  if (import.meta.url.startsWith(COMPILED_ROOT)) return new URL(path, COMPILED_ROOT);
  return new URL(`../${path}`, import.meta.url);
}
