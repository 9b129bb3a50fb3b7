// Reads the body of an answer. A connection may die without a word after the head has come.
import type { Readable } from 'node:stream';

/**
 * Chunks of `body`, which is destroyed in the end.
 * @throws Error that names `server` if nothing comes for `silenceMs`
 */
export async function* readChunks(
  body: Readable,
  { server, silenceMs }: { readonly server: string; readonly silenceMs: number },
): AsyncGenerator<Buffer, void> {
  const silence = setTimeout(
    () => body.destroy(new Error(`${server} sent nothing for ${silenceMs / 1000} s`)),
    silenceMs,
  );
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      silence.refresh();
      yield chunk;
    }
  } finally {
    clearTimeout(silence);
    body.destroy();
  }
}
