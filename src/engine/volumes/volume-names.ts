import { TareError } from '../../base/errors.ts';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
/** A longer file name is refused by every Linux file system. */
const MAX_NAME = 255;

/** Checks Docker's rule for names of local volumes. Throws `invalid` with its words. */
export function checkVolumeName(name: string): void {
  if (name.length === 1) {
    throw new TareError(
      'invalid',
      `create ${name}: volume name is too short, names should be at least two alphanumeric characters`,
    );
  }
  if (!NAME.test(name)) {
    throw new TareError(
      'invalid',
      `create ${name}: ${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  }
  if (name.length > MAX_NAME) {
    throw new TareError('invalid', `create ${name}: volume name is too long, at most ${MAX_NAME} characters`);
  }
}
