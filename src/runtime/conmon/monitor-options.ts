import { join } from 'node:path';
import { TareError } from '../../base/errors.ts';
import type { CreateRequest } from '../runtime.ts';

/** conmon's options for a container. Throws `invalid` for a log path that conmon would misread. */
export function monitorOptions(request: CreateRequest, exits: string): string[] {
  const { id, bundle, logPath } = request;
  if (logPath?.includes(':')) {
    throw new TareError(
      'invalid',
      `the log's path must not contain a colon (conmon splits there): ${logPath}`,
    );
  }
  const options = ['-c', id, '-u', id, '-n', id, '-b', bundle, '-p', join(bundle, 'pidfile')];
  options.push('--exit-dir', exits, '-l', logPath === undefined ? 'none' : `k8s-file:${logPath}`);
  if (logPath !== undefined && request.logMaxSize > 0) {
    options.push('--log-size-max', String(request.logMaxSize));
  }
  if (request.terminal) options.push('-t');
  if (request.openStdin) options.push('-i');
  // Without it conmon ends stdin when any client disconnects; see StdioHub.
  if (request.terminal || !request.stdinOnce) options.push('--leave-stdin-open');
  return options;
}
