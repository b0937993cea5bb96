"""heartloop: do words with feeling make a language model better, and is it worth the tokens?"""

__version__ = "0.1.0"
