// @ts-check
/** Opening a session: the one that this browser knows, or a new one, again and again until the server answers. */

import { backoff } from "./live.js";
import { Problem } from "./transport.js";

/** @typedef {import("./chat.js").Chat} Chat */
/** @typedef {import("./transport.js").Session} Session */

/**
 * @param {Chat} chat
 * @returns {Promise<Session | null>} null when the server will never open this chat
 */
export async function openSession(chat) {
  const { api, store, host, pause } = chat;
  for (let failures = 0; ; failures += 1) {
    await host.hello; // it may bring a sign-out, after which nothing may be opened
    if (chat.over) return null;
    const saved = store.load();
    try {
      const session = await api.open(saved?.token);
      if (api.ended) {
        api.logout(); // signed out while it was being opened
        return null;
      }
      chat.resumed = saved !== null && saved.conversation === session.conversation;
      if (chat.resumed && saved) store.save({ ...saved, token: session.session });
      else store.forget();
      return session;
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem(0);
      problem.events.forEach((event) => chat.showProblem("session", event));
      if (chat.over) return null;
      if (problem.final && saved) {
        store.forget();
        continue;
      }
      const known = chat.t(`problem_${problem.code}`);
      chat.notice(known ? `problem_${problem.code}` : problem.final ? "cannot_open_final" : "cannot_open");
      if (problem.final) {
        chat.activity.show({ loading: false });
        host.tell("error", { code: problem.code });
        return null;
      }
      await pause.wait(Math.max(backoff(failures), problem.retryAfter));
      if (chat.over) return null;
    }
  }
}
