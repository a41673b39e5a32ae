// A subscriber that behaves as ChatGPT is documented to, and one of SEP-3415, at one server: run by `npm run verify`.
import { servesBothDialects } from './servesBothDialects.ts';
import { servesChatGpt } from './servesChatGpt.ts';
import { chatGpt, sepClient } from './subscriber.ts';
import { tell } from './support/story.ts';
import { createWorkbench } from './workbench.ts';

await tell('One server for ChatGPT and for clients of SEP-3415', async (cleanUp) => {
  const workbench = await createWorkbench();
  cleanUp.push(() => workbench.close());
  const chat = workbench.subscriber(chatGpt, 'token-of-alice');
  await servesChatGpt(workbench, chat);
  await servesBothDialects(workbench, chat, workbench.subscriber(sepClient, 'token-of-bob'));
});
