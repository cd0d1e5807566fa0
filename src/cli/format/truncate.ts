/** At most `limit` characters, the last of them an ellipsis if some were cut. */
export function ellipsis(text: string, limit: number): string {
  const characters = [...text];
  return characters.length <= limit ? text : `${characters.slice(0, limit - 1).join('')}…`;
}

/** The short form of an id, as docker prints it: no algorithm, 12 digits. */
export function truncateId(id: string): string {
  return id.replace(/^[a-z0-9]+:/, '').slice(0, 12);
}
