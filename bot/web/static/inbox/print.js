/** The button that prints, where there is a script; the browser's own command does the same. */

const button = document.getElementById("print");
button.hidden = false;
button.addEventListener("click", () => window.print());
