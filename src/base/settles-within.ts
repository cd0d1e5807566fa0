/** True when `promise` settles within that many milliseconds; it goes on either way. Rejects as it does. */
export async function settlesWithin(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), milliseconds);
  try {
    return (await Promise.race([promise.then(() => true), late])) === true;
  } finally {
    clearTimeout(timer);
  }
}
