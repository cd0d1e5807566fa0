import { TareError } from '../../base/errors.ts';
import { workerUrl } from '../../base/worker-url.ts';
import type { VerifyReply, VerifyRequest } from './verify-index-worker.ts';

/**
 * Checks an index against its tar: an index follows from the tar and the diff id alone, so it is written once more
 * and compared; in memory, for the disk may be full, and in a thread of its own. Throws `corrupt`.
 */
export async function verifyIndex(request: VerifyRequest): Promise<void> {
  const worker = new Worker(workerUrl('snapshots/erofs/verify-index-worker.ts'));
  try {
    const reply = await new Promise<VerifyReply>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<VerifyReply>) => resolve(data);
      worker.onerror = ({ message }: ErrorEvent) => {
        reject(new TareError('internal', `the thread that checks an index failed: ${message}`));
      };
      worker.postMessage(request);
    });
    const { diffId } = request;
    if ('failure' in reply) {
      throw new TareError(
        reply.corrupt ? 'corrupt' : 'internal',
        `the index of the layer ${diffId} cannot be checked: ${reply.failure}`,
      );
    }
    if (reply.same) return;
    throw new TareError('corrupt', `the index of the layer ${diffId} is not the one of its tar`);
  } finally {
    worker.terminate();
  }
}
