"""``python -m bot.rasa_light train``: Rasa's command line without TensorFlow."""

from bot.rasa_light import main

if __name__ == "__main__":
    main()
