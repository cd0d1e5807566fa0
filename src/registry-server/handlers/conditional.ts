/** True when `If-None-Match` names this digest: the client has it (RFC 9110, 13.1.2). */
export function isUnchanged(request: Request, digest: string): boolean {
  const header = request.headers.get('if-none-match');
  if (header === null) return false;
  const tags = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.some((tag) => tag === '*' || tag === `"${digest}"` || tag === digest);
}

export function notModified(headers: Readonly<Record<string, string>>): Response {
  const { 'Content-Type': _, ...rest } = headers;
  return new Response(null, { status: 304, headers: rest });
}
