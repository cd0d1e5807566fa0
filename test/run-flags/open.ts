/**
 * Flags that no test shows yet, as `COMMAND FLAG`. This list only shrinks: who writes a flag's test moves it to
 * `shown.ts`. The check prints what is left, and fails on a line whose flag is shown.
 */
export const OPEN: readonly string[] = [
  'run attach',
  'run detach-keys',
  'run expose',
  'run ip',
  'run ip6',
  'run label-file',
  'run link-local-ip',
  'run mac-address',
  'run network-alias',
  'run publish-all',
  'run sig-proxy',
  'run storage-opt',
  'run use-api-socket',
  'run userns',
  'run volume-driver',
  'run volumes-from',
  'exec detach-keys',
  'exec env-file',
  'exec privileged',
];
