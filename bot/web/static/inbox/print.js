/**
 * The button that prints, where there is a script; the browser's own command does the same. When the sign-in has not
 * been used for so long that it locks, the copy makes way for the item's page, which knows what to show then.
 */

const button = document.getElementById("print");
const back = document.getElementById("back");
button.hidden = false;
button.addEventListener("click", () => window.print());
setTimeout(() => location.replace(`${back.href}?still=1`), Number(document.body.dataset.idleSeconds) * 1000);
